"""The Store protocol: what every engine promises to the layers above.

A store holds three things in one transaction: objects (by id), tables of keys and values, and sorted sets of fixed-size rows.
The layers above say which tables there are; the store gives them no meaning. Every engine passes `runstore.testing`.

Addresses. Each stored object has an address: a 40-bit integer, lane in the top 4 bits, sequence below. Addresses grow in
the order of adding within a lane, never change within one generation, and are smaller than ids: the derived indexes are made of
them. A rewrite (pack, gc) begins a new generation with new addresses; whatever was remembered of the old one is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from runstore.model.ids import Link, Object
from runstore.store.addresses import ADDRESS_BYTES, LANE_SHIFT
from runstore.store.table import StoredFrame, Table

if TYPE_CHECKING:
    from typing import Protocol

    from runstore.store.checks import Finding, Progress, Unreadable
else:
    Protocol = object  # making a protocol takes as long as reading a module, and only the type checker looks at it

__all__ = ["ADDRESS_BYTES", "LANE_SHIFT", "Batch", "Reader", "Store", "StoredFrame", "Table", "Writer"]


class Reader(Protocol):
    """One snapshot of the store. Usable in the thread that opened it, until its context ends."""

    @property
    def generation(self) -> int:
        """The number of rewrites that this snapshot's data file has behind it."""

    def get(self, id: bytes) -> Object:
        """Return the object, its hash verified. Raises NotFound, or Damaged if the stored bytes are not that object's."""

    def address(self, id: bytes) -> int | None:
        """Return where the object lies, or None. An answer was confirmed against the whole id, so the object is readable.

        Raises Damaged if the object is listed and its stored bytes cannot be read or are others.
        """

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object, its hash verified; None if it is not here. Raises Damaged."""

    def beside(self, address: int) -> Sequence[tuple[int, Object]]:
        """Return (address, object) of what lies in one segment with the object at an address and is of its kind, if that is at hand.

        Each id is computed from the stored bytes. No look-up is made: a segment may be newer than this snapshot, and where none is at hand
        there is nothing.
        """

    def frame(self, address: int) -> StoredFrame | None:
        """Return the frame in which the object at an address lies. None where the engine keeps no frames. Raises NotFound."""

    def at(self, address: int) -> Object:
        """Return the object at an address, its id computed and confirmed by the index. Raises NotFound or Damaged."""

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order, each confirmed as by `at`."""

    def objects(self) -> Iterator[tuple[int, Object]]:
        """Yield every object with its address, lane by lane in order, each confirmed as by `at`."""

    def sound(self, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
        """Yield every object that can be read, as `objects` does, and in the end tell of those that cannot."""

    def count(self) -> int:
        """Return the number of objects, without reading them."""

    def starting(self, prefix: str, limit: int = 20) -> list[Link]:
        """Return links to at most `limit` objects whose hex id starts with `prefix` (1 to 64 digits), sorted by id."""

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return the value under a key of a key-value table, or None."""

    def items(self, table: str, *, start: bytes = b"", stop: bytes | None = None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with start <= key < stop in key order, or from the end. Not valid beyond a change to the table."""

    def rows(self, table: str, prefix: bytes = b"", *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the rows of a row table that start with `prefix`, in order, or from the end. Not valid beyond a change to the table."""

    def addresses_at(self, time: int) -> dict[int, int]:
        """Return, by lane, an address such that whatever lies below it was added before `time` (microseconds since 1970 UTC).

        Known to the hour, from what `Store.write(now=...)` was told; in doubt an earlier address.
        """

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """Return, by lane, the first address that a collector keeps in any case: added since `time`, or since a live lease began.

        A lease counts if it ends after `now`, by default after `time`.
        """


class Batch(Protocol):
    """Objects made ready outside the write lock: deduplicated, looked up and compressed. Opaque, used once."""


class Writer(Reader, Protocol):
    """The one write transaction of a store. What it did becomes visible and durable together, when its context ends without error."""

    def put(self, batch: Batch | Iterable[Object]) -> Sequence[tuple[int, Object]]:
        """Store the objects that are not there yet; return them with their addresses, lane by lane. Putting twice changes nothing.

        An object counts as there only if its stored bytes were verified in this generation.
        """

    def next_addresses(self) -> dict[int, int]:
        """Return, by lane, the address that the next new object gets."""

    def put_frame(self, lane: int, data: bytes, objects: Sequence[Object]) -> Sequence[tuple[int, Object]]:
        """Store objects whose bodies are the content of this frame, in this order, as `put` does; the caller vouches for that.

        An engine may keep the frame as it is, where none of the objects is there yet and all belong into this lane.
        """

    def set_value(self, table: str, key: bytes, value: bytes) -> None:
        """Put a value under a key (1 to 500 bytes), replacing what stood there."""

    def delete_value(self, table: str, key: bytes) -> bool:
        """Remove a key; True if it was there."""

    def add_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Add rows to a row table; those that are there already change nothing."""

    def remove_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Remove rows from a row table; those that are not there change nothing."""

    def clear(self, table: str) -> None:
        """Remove all that a table holds."""


class Store(Protocol):
    """Objects, tables and rows under one lock. Threads may share a store; a fork is noticed and the store reopened."""

    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot of what is committed now. Keep it short: an open snapshot keeps old pages from being reused."""

    def write(self, *, now: int | None = None) -> AbstractContextManager[Writer]:
        """Take the write lock and begin; commit when the context ends, roll back if it raises. Raises Busy, Unavailable.

        `now` (microseconds since 1970 UTC) lets the store note, at most once an hour, which objects were there by then (`addresses_at`).
        """

    def prepare(self, objects: Iterable[Object], reader: Reader | None = None) -> Batch:
        """Do outside the lock all that `put` can do before it: drop what is there, group by lane, compress.

        `reader` is a snapshot of this store that is open, to look in.
        """

    def known(self, id: bytes) -> bool:
        """True if this process remembers that the object is stored in the current generation. False says nothing."""

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Copy the objects at the addresses that `order` gives, in that order, into a new data file, and move the store there.

        Runs under the write lock; objects that `order` leaves out are gone, readers finish on the old file. Tables that are not
        derived are copied; `rebuild` fills the others. Atomic: a crash leaves the old file or the new one in force. Returns counts
        and byte sizes before and after.
        """

    def addresses_at(self, time: int) -> dict[int, int]:
        """As Reader.addresses_at, of what is committed now."""

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As Reader.protected_since, of what is committed now."""

    def lease(self, *, now: int, seconds: int = 3600) -> AbstractContextManager[None]:
        """Keep a collector from dropping what is added from now on, by anybody, until the context ends: for work of several transactions.

        It ends at the latest `seconds` after `now` (microseconds since 1970 UTC), or when this process does.
        """

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Yield what is wrong with the stored bytes, nothing if all is well: every object is read, and the index compared both ways.

        `progress` is called with the number of objects checked since its last call.
        """

    def stat(self) -> Mapping[str, Any]:
        """Counts and byte sizes for people and tests: objects and bytes by kind and lane, segments by tier, pages by table."""

    def close(self) -> None:
        """Release the store. Idempotent; afterwards every use raises Closed."""
