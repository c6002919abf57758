"""A store that is only read, and its reader: what a bundle and the root of a bucket have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from runstore import refs
from runstore.errors import Unavailable
from runstore.model.ids import Link, Object
from runstore.store.memory import MemoryStore
from runstore.store.protocol import LANE_SHIFT, Batch, Reader, Writer


class _NoTimes:
    """Nothing says when an object came: all are taken for new."""

    def addresses_at(self, time: int) -> dict[int, int]:
        """Return the first address of each lane."""
        return {lane: lane << LANE_SHIFT | 1 for lane in range(3)}

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As `addresses_at`."""
        return self.addresses_at(time)


class Unwritten(_NoTimes):
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

    def lease(self, *, now: int, seconds: int = 3600) -> AbstractContextManager[None]:
        """Raise Unavailable."""
        raise self.refusal()


class UnwrittenReader(_NoTimes):
    """The part of a reader that follows from the rest."""

    generation = 0

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order."""
        raise NotImplementedError

    def objects(self) -> Iterator[tuple[int, Object]]:
        """Yield every object with its address, lane by lane in order."""
        for lane in range(3):
            yield from self.between(lane << LANE_SHIFT | 1, (lane + 1) << LANE_SHIFT)

    def beside(self, address: int) -> list[tuple[int, Object]]:
        """Return nothing: what lies around an object is read when it is asked for."""
        return []


def rows_of_refs(named: Mapping[str, Link]) -> dict[bytes, bytes]:
    """Return the rows of the table of refs that name these, as that layer writes them."""
    with MemoryStore(refs.TABLES) as scratch, scratch.write() as writer:
        operation = refs.Operation(writer, now=0, actor="", action="")
        for name, link in named.items():
            operation.move(name, None, link)
        return dict(writer.items(refs.TABLES[0].name))
