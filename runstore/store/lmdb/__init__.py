"""The store on disk, made with LMDB 0.9 through py-lmdb: one data file, one writer at a time, readers that never wait."""

from runstore.store.lmdb.env import Settings
from runstore.store.lmdb.store import LmdbStore

__all__ = ["LmdbStore", "Settings"]
