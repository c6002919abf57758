"""Reading through: a snapshot of the cache in which promised objects are fetched from the bucket when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runstore.errors import NotFound
from runstore.model.ids import Object
from runstore.runs.absence import PROMISED, absence, any_absent

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

Fetch = Callable[[bytes], Object]


class DemandReader:
    """A snapshot, and what it lacks. Everything but `get` and `find` is the snapshot's own."""

    def __init__(self, snapshot: Any, fetch: Fetch) -> None:
        self._snapshot = snapshot
        self._fetch = fetch
        self._reader: Reader | None = None

    def __enter__(self) -> Self | Reader:
        reader: Reader = self._snapshot.__enter__()
        if not any_absent(reader):
            return reader
        self._reader = reader
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._snapshot.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    @property
    def inner(self) -> Reader:
        """The snapshot itself."""
        assert self._reader is not None
        return self._reader

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object; a promised one comes from the bucket, with the address that stands for it."""
        reader = self.inner
        found = reader.find(id)
        if found is None:
            known = absence(reader, id)
            if known is not None and known.state == PROMISED:
                return known.address, self._fetch(id)
        return found

    def get(self, id: bytes) -> Object:
        """Return the object, its hash verified. Raises NotFound, Damaged, Unavailable."""
        found = self.find(id)
        if found is None:
            raise NotFound(f"no object {id.hex()} is here")
        return found[1]
