"""Reading from a bucket: objects by id and by place, each verified. Addresses are numbers over all packs, in the order of the root.

Whether an object is there is answered from the indexes, which are claims; its bytes are hashed when they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged, InvalidInput, NotFound
from runstore.model.ids import ID_BYTES, Link, Object, check_prefix
from runstore.refs import TABLES
from runstore.runs.tables import GENERATION_BYTES, GENERATIONS
from runstore.store.checks import Unreadable
from runstore.store.protocol import ADDRESS_BYTES, LANE_SHIFT, StoredFrame
from runstore.sync.unwritten import UnwrittenReader

if TYPE_CHECKING:
    from runstore.sync.bucket.store import BucketStore

_SEQUENCE = (1 << LANE_SHIFT) - 1
_REFS = TABLES[0].name


class BucketReader(UnwrittenReader):
    """A root as a snapshot."""

    def __init__(self, store: BucketStore) -> None:
        self._store = store

    # --- places --------------------------------------------------------------------------------------------------------------

    def address(self, id: bytes) -> int | None:
        """Return where the object lies, as the indexes claim, or None. The newest pack that has it counts."""
        if len(id) != ID_BYTES:
            raise InvalidInput(f"an id is {ID_BYTES} bytes, not {len(id)}", kind="bad-id")
        indexes = self._store.indexes
        for pack in range(len(indexes) - 1, -1, -1):
            number = indexes[pack].find(id)
            if number is not None:
                return self._store.address(pack, number)
        return None

    # --- objects -------------------------------------------------------------------------------------------------------------

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object, its hash verified; None if it is not in the bucket. Raises Damaged."""
        address = self.address(id)
        return None if address is None else (address, self.at(address))

    def get(self, id: bytes) -> Object:
        """Return the object, its hash verified. Raises NotFound, Damaged."""
        found = self.find(id)
        if found is None:
            raise NotFound(f"no object {id.hex()} is in {self._store.bucket.url}")
        return found[1]

    def at(self, address: int) -> Object:
        """Return the object at an address, its id computed and confirmed by the index. Raises NotFound or Damaged."""
        pack, number = self._store.place(address)
        index = self._store.indexes[pack].index
        own = index.id(number)
        if self._store.near is not None and (held := self._store.near(own)) is not None:
            return held
        place = index.place(number)
        found = self._store.segment(pack, place.frame).make(place.position)
        if found.id != own or found.kind != index.kinds[number]:
            raise Damaged(f"{self._store.bucket.url}: the object {own.hex()} does not have the bytes that its id names")
        return found

    def frame(self, address: int) -> StoredFrame | None:
        """Return the frame in which the object at an address lies. Raises NotFound, Damaged."""
        pack, number = self._store.place(address)
        index = self._store.indexes[pack].index
        frame = index.place(number).frame
        first = index.firsts[frame]
        return StoredFrame(self._store.address(pack, first), index.headers[frame].objects, self._store.frame(pack, frame).data)

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order. One that lies in several packs comes once."""
        lane = max(first, 1) >> LANE_SHIFT
        for pack, found in enumerate(self._store.indexes):
            index, base, whole = found.index, self._store.firsts[pack], False
            for frame, header in enumerate(index.headers):
                low = lane << LANE_SHIFT | base + index.firsts[frame]
                if header.lane != lane or low >= last or low + header.objects <= first:
                    continue
                if not whole:
                    self._store.bring_whole(pack)
                    whole = True
                for address in range(max(low, first), min(low + header.objects, last)):
                    if self.address(index.id((address & _SEQUENCE) - base)) == address:
                        yield address, self.at(address)

    def sound(self, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
        """As `objects`: what is damaged in a bucket is Damaged. Buckets are not rewritten object by object."""
        return self.objects()

    def count(self) -> int:
        """Return the number of objects, one that lies in several packs counted once."""
        packs = enumerate(self._store.indexes)
        return sum(
            self.address(own) == self._store.address(pack, number) for pack, index in packs for number, own in enumerate(index.index.ids())
        )

    def starting(self, prefix: str, limit: int = 20) -> list[Link]:
        """Return links to at most `limit` objects whose hex id starts with `prefix`, sorted by id. Raises InvalidInput."""
        check_prefix(prefix)
        found = {own for index in self._store.indexes for own in index.starting(prefix)}
        return [self.get(own).link for own in sorted(found)[:limit]]

    # --- tables: refs and generations, and nothing else -----------------------------------------------------------------------

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return the value under a key of the table of refs, or None."""
        return self._store.refs_table().get(key) if table == _REFS else None

    def items(self, table: str, *, start: bytes = b"", stop: bytes | None = None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of the table of refs with start <= key < stop in key order, or from the end."""
        items = self._store.refs_table().items() if table == _REFS else ()
        found = sorted(item for item in items if start <= item[0] and (stop is None or item[0] < stop))
        return iter(found[::-1] if reverse else found)

    def rows(self, table: str, prefix: bytes = b"", *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the generation of the execution at the address `prefix`, as the table of a store has it."""
        if table == GENERATIONS.name and len(prefix) == ADDRESS_BYTES:
            pack, number = self._store.place(int.from_bytes(prefix, "big"))
            found = self._store.indexes[pack].generation(number)
            if found is not None:
                yield prefix + found.to_bytes(GENERATION_BYTES, "big")
