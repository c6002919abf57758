"""The stores of a server: each its own environment, with the views of those who may call.

What a caller sees is what the refs lead to that he may read, in this store. Callers with the same rights share a view.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Lock

from runstore.refs import full_name
from runstore.serve.grants import Granted
from runstore.serve.settings import Settings
from runstore.serve.tokens import Token
from runstore.store.directory import read_config
from runstore.store.lmdb.store import LmdbStore
from runstore.sync.endpoint import Endpoint
from runstore.sync.local import QUARANTINE
from runstore.sync.visible import Shared

_VIEWS = 64


class Served:
    """One store."""

    def __init__(self, name: str, directory: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._store = LmdbStore.open(directory, settings.tables)
        default_ref = read_config(directory).default_ref
        self._default_ref = None if default_ref is None else full_name(default_ref)
        self._quarantine = os.path.join(directory, QUARANTINE)
        self._views: OrderedDict[frozenset[str], Shared] = OrderedDict()
        self._lock = Lock()

    def endpoint(self, token: Token, rights: Granted) -> Endpoint:
        """Return what answers one call of whoever has this token."""
        settings = self._settings
        return Endpoint(
            self._store,
            now=settings.now,
            actor=token.name,
            rights=rights,
            view=self._shared(rights).view(),
            limits=settings.limits,
            quarantine=self._quarantine,
            default_ref=self._default_ref if self._default_ref is not None and rights.read(self._default_ref) else None,
        )

    def _shared(self, rights: Granted) -> Shared:
        with self._lock:
            found = self._views.pop(rights.readable, None) or Shared(rights.read)
            self._views[rights.readable] = found
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
            return found

    def close(self) -> None:
        """Close the store."""
        self._store.close()
