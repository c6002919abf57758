"""Serving stores over HTTP: tokens and their rights, the ASGI app, and the server around it.

The only place that knows starlette and granian (extra `[serve]`). Answers come from `runstore.sync.endpoint`, as over any transport.
"""
