"""A store that is only read: what a bundle and the root of a bucket have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from runstore import refs
from runstore.errors import Unavailable
from runstore.model.ids import Link, Object
from runstore.store.memory import MemoryStore
from runstore.store.protocol import LANE_SHIFT, Batch, Reader, Writer


class Unwritten:
    """The part of the store protocol that writes: it raises Unavailable. `refusal` gives the error."""

    def refusal(self) -> Unavailable:
        """Return the error that says what this is, and that it is only read."""
        raise NotImplementedError

    def write(self, *, now: int | None = None) -> AbstractContextManager[Writer]:
        """Raise Unavailable."""
        raise self.refusal()

    def prepare(self, objects: Iterable[Object], reader: Reader | None = None) -> Batch:
        """Raise Unavailable."""
        raise self.refusal()

    def known(self, id: bytes) -> bool:
        """False: nothing is stored here."""
        return False

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Raise Unavailable."""
        raise self.refusal()

    def addresses_at(self, time: int) -> dict[int, int]:
        """The first address of each lane: nothing here says when things came."""
        return {lane: lane << LANE_SHIFT | 1 for lane in range(3)}

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As `addresses_at`."""
        return self.addresses_at(time)

    def lease(self, *, now: int, seconds: int = 3600) -> AbstractContextManager[None]:
        """Raise Unavailable."""
        raise self.refusal()


def rows_of_refs(named: Mapping[str, Link]) -> dict[bytes, bytes]:
    """Return the rows of the table of refs that name these, as that layer writes them."""
    with MemoryStore(refs.TABLES) as scratch, scratch.write() as writer:
        operation = refs.Operation(writer, now=0, actor="", action="")
        for name, link in named.items():
            operation.move(name, None, link)
        return dict(writer.items(refs.TABLES[0].name))
