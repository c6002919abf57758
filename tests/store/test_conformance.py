"""Both engines pass the public suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Store, Table
from runstore.testing import StoreConformance


class TestMemoryStore(StoreConformance):
    persistent = False

    def open_store(self, directory: Path, tables: Sequence[Table]) -> Store:
        return MemoryStore(tables)


class TestLmdbStore(StoreConformance):
    def open_store(self, directory: Path, tables: Sequence[Table]) -> Store:
        return LmdbStore.open(directory, tables, create=True, settings=Settings(durable=False))
