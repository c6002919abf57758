"""Reading from a bundle: objects by id and by place, each verified, and the tables that were made for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged, InvalidInput, NotFound, Refused
from runstore.model.ids import ID_BYTES, Kind, Link, Object, check_prefix
from runstore.model.nodes import decode_node
from runstore.model.objects import verify_body
from runstore.store.checks import Unreadable
from runstore.store.protocol import LANE_SHIFT, StoredFrame
from runstore.sync.unwritten import UnwrittenReader

if TYPE_CHECKING:
    from runstore.sync.bundlestore import BundleStore

_SEQUENCE = (1 << LANE_SHIFT) - 1
_FEW_ELEMENTS, _MOST_REPEATED = 100_000, 64
"""A list of more elements than these, and than so many times the objects of its bundle, is not read: six nodes can spell 2**32."""


class Tables:
    """Tables of keys and values, and tables of rows, in memory. The rows of a table are sorted."""

    def __init__(self, refs: dict[bytes, bytes]) -> None:
        self.values: dict[str, dict[bytes, bytes]] = {"refs": refs}
        self.rows: dict[str, list[bytes]] = {}


class BundleReader(UnwrittenReader):
    """A bundle as a snapshot. An address is the object's lane, and its number in the pack from 1."""

    def __init__(self, store: BundleStore) -> None:
        self._store = store

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object, its hash verified; None if it is not in the bundle. Raises Damaged."""
        if len(id) != ID_BYTES:
            raise InvalidInput(f"an id is {ID_BYTES} bytes, not {len(id)}", kind="bad-id")
        number = self._store.numbers.get(id)
        if number is None:
            return None
        found = self._object(number)
        if found.id != id:
            raise Damaged(
                f"{self._store.path}: the object {id.hex()} does not have the bytes that its id names", hint="copy the bundle again"
            )
        return self._address(number), found

    def _object(self, number: int) -> Object:
        """Return an object, its body checked when it is first read: anybody may write the file, and readers trust what a store holds."""
        place = self._store.pack.index.place(number)
        found = self._store.segment(place.frame).make(place.position)
        if not self._store.checked[number]:
            self._check(found)
            self._store.checked[number] = True
        return found

    def _check(self, obj: Object) -> None:
        try:
            verify_body(obj.kind, obj.body)
        except Refused as error:
            raise self._damaged(obj, str(error)) from error
        if obj.kind == Kind.LIST:
            total = decode_node(obj.body).total
            if total > max(_FEW_ELEMENTS, _MOST_REPEATED * len(self._store.pack.index)):
                raise self._damaged(obj, f"a list of {total:,} elements, in a bundle of {len(self._store.pack.index):,} objects")

    def _damaged(self, obj: Object, fact: str) -> Damaged:
        hint = "it was not written by runstore: `runstore bundle verify` tells what is wrong with it"
        return Damaged(f"{self._store.path}: the object {obj.link}: {fact}", hint=hint)

    def _address(self, number: int) -> int:
        return self._store.pack.index.headers[self._store.pack.index.place(number).frame].lane << LANE_SHIFT | number + 1

    def get(self, id: bytes) -> Object:
        """Return the object, its hash verified. Raises NotFound, Damaged."""
        found = self.find(id)
        if found is None:
            hint = "it builds on others: take it into a store that has them" if self._store.header.prerequisites else None
            raise NotFound(f"no object {id.hex()} is in {self._store.path}", hint=hint)
        return found[1]

    def address(self, id: bytes) -> int | None:
        """Return where the object lies, or None. Raises Damaged."""
        found = self.find(id)
        return None if found is None else found[0]

    def at(self, address: int) -> Object:
        """Return the object at an address, its id computed and confirmed by the index. Raises NotFound or Damaged."""
        number = (address & _SEQUENCE) - 1
        if not 0 <= number < len(self._store.pack.index) or self._address(number) != address:
            raise NotFound(f"no object is at address {address:#x}")
        found = self._object(number)
        if found.id != self._store.pack.index.id(number):
            raise Damaged(f"{self._store.path}: object {number} does not have the bytes that its id names", hint="copy the bundle again")
        return found

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order."""
        lane = max(first, 1) >> LANE_SHIFT
        last = min(last, (lane + 1) << LANE_SHIFT)
        for number in range(max(first & _SEQUENCE, 1) - 1, min((last - 1) & _SEQUENCE, len(self._store.pack.index))):
            address = self._address(number)
            if address >> LANE_SHIFT == lane and first <= address < last:
                yield address, self.at(address)

    def sound(self, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
        """Yield every object that can be read, and in the end tell of those that cannot."""
        lost = []
        for number in range(len(self._store.pack.index)):
            try:
                yield self._address(number), self.at(self._address(number))
            except Damaged:
                lost.append(Unreadable(self._address(number), self._store.pack.index.id(number).hex()[:16], None))
        for one in lost:
            tell(one)

    def count(self) -> int:
        """Return the number of objects."""
        return len(self._store.pack.index)

    def frame(self, address: int) -> StoredFrame | None:
        """Return the frame in which the object at an address lies. Raises NotFound, Refused."""
        index = self._store.pack.index
        number = (address & _SEQUENCE) - 1
        if not 0 <= number < len(index):
            raise NotFound(f"no object is at address {address:#x}")
        frame = index.place(number).frame
        first = index.firsts[frame]
        return StoredFrame(self._address(first), index.headers[frame].objects, self._store.pack.frame(frame).data)

    def starting(self, prefix: str, limit: int = 20) -> list[Link]:
        """Return links to at most `limit` objects whose hex id starts with `prefix`, sorted by id. Raises InvalidInput."""
        check_prefix(prefix)
        found = sorted(own for own in self._store.numbers if own.hex().startswith(prefix))
        return [self.get(own).link for own in found[:limit]]

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return the value under a key of a key-value table, or None."""
        return self._store.tables(table).values.get(table, {}).get(key)

    def items(self, table: str, *, start: bytes = b"", stop: bytes | None = None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with start <= key < stop in key order, or from the end."""
        items = self._store.tables(table).values.get(table, {}).items()
        found = sorted(item for item in items if start <= item[0] and (stop is None or item[0] < stop))
        return iter(found[::-1] if reverse else found)

    def rows(self, table: str, prefix: bytes = b"", *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the rows of a row table that start with `prefix`, in order, or from the end."""
        rows = self._store.tables(table).rows.get(table, [])
        first = bisect_left(rows, prefix)
        past = bisect_left(rows, prefix + b"\xff" * 64, first)
        return iter(rows[first:past][::-1] if reverse else rows[first:past])
