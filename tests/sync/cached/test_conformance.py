"""The store in a bucket is a store: it passes the suite of every engine."""

from collections.abc import Sequence
from pathlib import Path

from runstore.repo import TABLES
from runstore.store.protocol import Store, Table
from runstore.sync.cached.store import BucketBackedStore
from runstore.testing import StoreConformance
from tests.sync.cached.support import NEVER


class TestBucketBackedStore(StoreConformance):
    """A cache over a bucket in a directory."""

    def open_store(self, directory: Path, tables: Sequence[Table]) -> Store:
        """Open the store, with the tables of a whole store besides: it keeps track of refs."""
        return BucketBackedStore.open(
            f"dir://{directory / 'bucket'}",
            (*TABLES, *tables),
            caches=str(directory / "caches"),
            now=lambda: 1_769_860_800_000_000,
            actor=lambda: "tests",
            create=True,
            grouping=NEVER,
        )
