"""What the parts of the suite share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from runstore.model.ids import Object
from runstore.store.protocol import Batch, Store, Table
from runstore.testing.samples import NAMES, PAIRS, TABLES


class Suite:
    """Makes a store for each test, and closes it."""

    persistent = True

    def open_store(self, directory: Path, tables: Sequence[Table]) -> Store:
        """Open the store in a directory; make it if it is not there. To be defined by the subclass."""
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """A directory for the store; it is not there yet."""
        return tmp_path / "store"

    @pytest.fixture
    def store(self, place: Path) -> Iterable[Store]:
        """An empty store with the sample tables."""
        made = self.open_store(place, TABLES)
        yield made
        made.close()


def add(store: Store, objects: Iterable[Object]) -> dict[bytes, int]:
    """Store objects in one transaction, prepared outside it; return the addresses of the new ones."""
    batch = store.prepare(objects)
    with store.write() as writer:
        return {item.id: address for address, item in writer.put(batch)}


def put_and_fail(store: Store, batch: Batch | Iterable[Object]) -> None:
    """Put objects, a value and a row in a transaction that is rolled back."""

    def transaction() -> None:
        with store.write() as writer:
            writer.put(batch)
            writer.set_value(NAMES.name, b"k", b"v")
            writer.add_rows(PAIRS.name, [b"aaaaaa"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transaction()
