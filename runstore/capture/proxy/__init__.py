"""The recording proxy: programs in any language call it instead of the service, and it passes every call on as it comes.

What is recorded goes through the same handler as the tap (`tap/handler.py`): one that watches, or one that answers itself.
Needs the extra `[capture]` (httpx, and h11 with it).
"""
