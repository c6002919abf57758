"""Readers written from the specifications alone: nothing in `identity.py` and `stores.py` imports runstore."""
