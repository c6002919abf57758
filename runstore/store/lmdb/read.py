"""Reading: one snapshot of the data file. Whatever comes back was hashed and is what its id says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import lmdb

from runstore.errors import Closed, Damaged, InvalidInput, NotFound, RunstoreError
from runstore.model.ids import ID_BYTES, Link, Object, check_prefix
from runstore.store.addresses import FIRST, LANE_SHIFT, NOT_HERE, PAST, address_bytes
from runstore.store.frames import Segment
from runstore.store.lmdb import index, scan
from runstore.store.lmdb.env import Env, key_of
from runstore.store.lmdb.errors import GONE, translate
from runstore.store.lmdb.fork import LIVE
from runstore.store.lmdb.index import PREFIX
from runstore.store.lmdb.values import from_value, open_value
from runstore.store.table import StoredFrame

if TYPE_CHECKING:
    from runstore.store.checks import Unreadable
    from runstore.store.lmdb.handle import Handle


class LmdbReader:
    """One snapshot. A context manager; usable by one thread at a time, until its context ends."""

    __slots__ = ("_cache", "_env", "_handle", "_rows", "_segments", "_txn", "generation", "snapshot")

    writing = False

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._txn: Any = GONE
        self._rows: Any = GONE
        self._segments: Any = GONE

    def __enter__(self) -> LmdbReader:
        env, txn = self._handle.begin_read()
        try:
            self.start(env, txn)
        except lmdb.Error as error:
            self._txn = txn
            self.stop()
            self._handle.leave(env)
            raise self._translated(error) from error
        return self

    @property
    def env(self) -> Env:
        """The data file that this is a snapshot of."""
        return self._env

    @property
    def raw(self) -> Any:
        """The engine's transaction."""
        return self._txn

    def start(self, env: Env, txn: Any) -> None:
        """Begin with a transaction of the engine."""
        LIVE.add(self)
        self._env = env
        self._txn = txn
        self._rows = txn.cursor(env.rows)
        self._segments = txn.cursor(env.segments)
        self._cache = env.cache
        self.generation = env.generation
        self.snapshot: int = txn.id()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._txn is GONE:  # a fork took place inside; the transaction is the parent's
            return
        self.stop()
        self._handle.leave(self._env)
        if isinstance(error, lmdb.Error):
            raise self._translated(error) from error

    def stop(self) -> None:
        """End the transaction of the engine."""
        txn = self._txn
        self.abandon()
        LIVE.discard(self)
        txn.abort()

    def abandon(self) -> tuple[Any, ...]:
        """Make every further use raise Closed; return what was used, which ends when it is freed."""
        used = (self._txn, self._rows, self._segments, self._env)
        self._txn = self._rows = self._segments = GONE
        return used

    def get(self, id: bytes) -> Object:
        """Return the object, its hash verified. Raises NotFound, or Damaged if the stored bytes are not that object's."""
        found = self.find(id)
        if found is not None:
            return found[1]
        raise NotFound(f"no object {id.hex()} is here")

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object, its hash verified; None if it is not here. Raises Damaged."""
        try:
            # Nearly always the first row that begins as the id does leads to it, in a segment at hand.
            rows = self._rows
            if rows.set_range_dup(index.INDEX, id[:PREFIX]):
                address = int.from_bytes(rows.value()[PREFIX:], "big")
                likely = self._cache.make(address)
                if likely is not None and likely.id == id:
                    return address, likely
        except lmdb.Error as error:
            raise self._translated(error) from error
        found, damage = self._find(id)
        if found is None and damage is not None:
            raise damage
        return found

    def address(self, id: bytes) -> int | None:
        """Return where the object lies, or None. Its stored bytes were verified, now or before in this generation. Raises Damaged."""
        known = self._env.known.get(id)
        if known is not None and self.lists(id, known):
            return known
        found, damage = self._find(id)
        if found is not None:
            self.confirmed(id, found[0])
            return found[0]
        if damage is not None:
            raise damage
        return None

    def _find(self, id: bytes) -> tuple[tuple[int, Object] | None, Damaged | None]:
        if len(id) != ID_BYTES:
            raise InvalidInput(f"an id is {ID_BYTES} bytes, not {len(id)}", kind="bad-id")
        damage = None
        for address in self.candidates(id):
            try:
                found = self._object(address)
            except NotFound:
                damage = Damaged(f"the object {id.hex()} is listed at address {address:#x}, and nothing is there")
            except Damaged as error:
                damage = Damaged(f"the object {id.hex()} at address {address:#x} cannot be read: {error}", hint=error.hint)
            else:
                if found.id == id:
                    return (address, found), None
                if found.id[:PREFIX] != id[:PREFIX]:
                    damage = Damaged(f"the object {id.hex()} at address {address:#x} does not have the bytes that its id names")
        if damage is not None:
            self._env.damaged = True
        return None, damage

    def _object(self, address: int) -> Object:
        segment = self.segment(address)
        return segment.make(address - segment.first)

    def candidates(self, id: bytes) -> list[int]:
        """Return the addresses that the index gives for ids with this beginning: nearly always none or one."""
        try:
            return index.candidates(self._rows, id)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def begun(self, ids: Iterable[bytes]) -> list[bytes]:
        """Return those ids with whose beginning the index has a row: a quick look before what stands there is compared."""
        try:
            return index.begun(self._rows, ids)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def beside(self, address: int) -> list[tuple[int, Object]]:
        """Return (address, object) of all of one kind in the remembered segment that holds an address; no look-up is made."""
        segment = self._cache.find(address) if self._txn.id else None  # a transaction that is over raises Closed
        return [] if segment is None else segment.alike(address - segment.first)

    def confirmed(self, id: bytes, address: int) -> None:
        """Remember that the object's stored bytes were seen to be what its id names."""
        if self._cache is self._env.cache:  # else this transaction has written, and may yet be rolled back
            self._env.known.learn({id: address})

    def segment(self, address: int) -> Segment:
        """Return the segment that holds the object at an address. Raises NotFound or Damaged."""
        found = self._cache.find(address)
        if found is not None:
            return found
        try:
            first, value = self._segment_value(address)
        except lmdb.Error as error:
            raise self._translated(error) from error
        segment = open_value(value, first)
        if address >= first + segment.n:
            raise NotFound(f"no object is at address {address:#x}")
        self._cache.add(segment)
        return segment

    def _segment_value(self, address: int) -> tuple[int, bytes]:
        if not 0 < address < PAST[-1]:
            raise NotFound(f"no object is at address {address:#x}")
        key = address_bytes(address)
        cursor = self._segments
        there = cursor.set_range(key)
        if not there or cursor.key() != key:
            there = cursor.prev() if there else cursor.last()
        if there:
            first = int.from_bytes(cursor.key(), "big")
            if first >> LANE_SHIFT == address >> LANE_SHIFT:
                return first, cursor.value()
        raise NotFound(f"no object is at address {address:#x}")

    def frame(self, address: int) -> StoredFrame | None:
        """Return the frame in which the object at an address lies, as it is stored and not verified. Raises NotFound, Damaged."""
        try:
            first, value = self._segment_value(address)
        except lmdb.Error as error:
            raise self._translated(error) from error
        stored = from_value(value)
        if address >= first + stored.n:
            raise NotFound(f"no object is at address {address:#x}")
        return StoredFrame(first, stored.n, bytes(stored.frame))

    def lists(self, id: bytes, address: int) -> bool:
        """True if the index says that an id with this beginning lies at the address."""
        try:
            return index.lists(self._rows, id, address)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def at(self, address: int) -> Object:
        """Return the object at an address, its id computed and confirmed by the index. Raises NotFound or Damaged."""
        found = self._object(address)
        if not self.lists(found.id, address):
            first, value = self._segment_value(address)  # a cached segment may be newer than this snapshot
            if address >= first + from_value(value).n:
                raise NotFound(f"no object is at address {address:#x}")
            raise Damaged(
                f"the bytes at address {address:#x} are not those of any object that the index knows",
                hint="`runstore fsck` tells the extent",
            )
        return found

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order, each confirmed as by `at`."""
        address = max(first, 1)
        last = min(last, ((address >> LANE_SHIFT) + 1) << LANE_SHIFT)
        while address < last:
            try:
                segment = self.segment(address)
            except NotFound:
                following = self._next_first(address)
                if following is None or following >= last:
                    return
                address = following
                continue
            for i in range(address - segment.first, min(segment.n, last - segment.first)):
                try:
                    yield segment.first + i, self._confirmed(segment, i)
                except NotFound:
                    return
            address = segment.first + segment.n

    def _confirmed(self, segment: Segment, i: int) -> Object:
        found = segment.make(i)
        if not self.lists(found.id, segment.first + i):
            return self.at(segment.first + i)
        return found

    def _next_first(self, address: int) -> int | None:
        try:
            if not self._segments.set_range(address_bytes(address)):
                return None
            return int.from_bytes(self._segments.key(), "big")
        except lmdb.Error as error:
            raise self._translated(error) from error

    def objects(self) -> Iterator[tuple[int, Object]]:
        """Yield every object with its address, lane by lane in order, each confirmed as by `at`."""
        for first, past in zip(FIRST, PAST, strict=True):
            yield from self.between(first, past)

    def sound(self, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
        """Yield every object that can be read, as `objects` does, and in the end tell of those that cannot."""
        from runstore.store.lmdb.sound import sound  # only for the care of a store

        return sound(self, tell)

    def count(self) -> int:
        """Return the number of objects that the index lists; an object stored anew beside its damaged bytes counts twice."""
        try:
            return index.count(self._rows)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def index(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[bytes]:
        """Yield the rows of the index with start <= row < stop, in order: 8 bytes of an id and 5 of an address."""
        return self._rows_between(index.INDEX, start, stop)

    def row_tables(self) -> list[str]:
        """Return the names of the row tables that the store was opened with."""
        return [table.name for table in self._handle.tables.values() if table.row_bytes is not None]

    def starting(self, prefix: str, limit: int = 20) -> list[Link]:
        """Return links to at most `limit` objects whose hex id starts with `prefix` (1 to 64 digits), sorted by id. Raises InvalidInput."""
        check_prefix(prefix)
        found: dict[bytes, Link] = {}
        last_row = b""
        for row in self.index(*scan.hex_range(prefix, PREFIX)):
            if len(found) >= limit and row[:PREFIX] != last_row[:PREFIX]:
                break
            last_row = row
            address = int.from_bytes(row[PREFIX:], "big")
            if address >= NOT_HERE:
                continue
            obj = self._object(address)
            if obj.id.hex().startswith(prefix):
                found[obj.id] = obj.link
        return [found[name] for name in sorted(found)[:limit]]

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return the value under a key of a key-value table, or None."""
        db = self._env.values.get(table) or self._values(table)
        if db is None or not 0 < len(key) <= 500:
            return None
        try:
            found: bytes | None = self._txn.get(key, db=db)
        except lmdb.Error as error:
            raise self._translated(error) from error
        return found

    def items(self, table: str, *, start: bytes = b"", stop: bytes | None = None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with start <= key < stop in key order, or from the end. Not valid beyond a change to the table."""
        db = self._values(table)
        if db is None:
            return
        try:
            yield from scan.items_between(self._txn.cursor(db), start, stop, reverse=reverse)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def rows(self, table: str, prefix: bytes = b"", *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the rows of a row table that start with `prefix`, in order, or from the end. Not valid beyond a change to the table."""
        self._handle.table(table, rows=True)
        return self._rows_between(key_of(table), prefix, scan.after(prefix), reverse=reverse)

    def _rows_between(self, key: bytes, start: bytes, stop: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        try:
            yield from scan.rows_between(self._txn.cursor(self._env.rows), key, start, stop, reverse=reverse)
        except lmdb.Error as error:
            raise self._translated(error) from error

    def addresses_at(self, time: int) -> dict[int, int]:
        """Return, by lane, an address such that whatever lies below it was added before `time` (microseconds since 1970 UTC)."""
        from runstore.store.lmdb import marks

        return marks.addresses_at(self._txn, self._env.meta, time)

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """Return, by lane, the first address that must be kept whatever leads to it: added since `time`, or since a live lease began."""
        from runstore.store.lmdb import marks

        return marks.protected_since(self._txn, self._env.meta, time, time if now is None else now)

    def _values(self, table: str) -> Any:
        db = self._env.values.get(table)
        if db is None:
            self._handle.table(table, rows=False)
        return db

    def _translated(self, error: lmdb.Error) -> RunstoreError:
        if self._env.fd < 0:
            return Closed(f"the store {self._handle.directory} was closed while it was being read")
        return translate(error, self._env.path, writing=self.writing)
