"""The store in memory: the reference. What it does is right by being obvious, and every other engine must do the same.

A transaction works on a full copy of the state and publishes it when it commits; a snapshot is the state that was published then.
Nothing is kept when the process ends.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from runstore.errors import Busy, Closed, InvalidInput, NotFound
from runstore.model.ids import ID_BYTES, Link, Object, object_id
from runstore.store.addresses import FIRST, LANE_SHIFT, LANES, PAST
from runstore.store.checks import Finding, Progress, Unreadable
from runstore.store.lanes import lane_for
from runstore.store.protocol import Batch, Reader, StoredFrame, Table, Writer

HOUR = 3_600_000_000


class _State:
    """All that is committed at one moment. Never changed once published."""

    def __init__(self, generation: int, tables: Mapping[str, Table]) -> None:
        self.generation = generation
        self.addresses: dict[bytes, int] = {}
        self.objects: dict[int, Object] = {}
        self.next = dict(zip(LANES, FIRST, strict=True))
        self.values: dict[str, dict[bytes, bytes]] = {name: {} for name, table in tables.items() if table.row_bytes is None}
        self.rows: dict[str, set[bytes]] = {name: set() for name, table in tables.items() if table.row_bytes is not None}
        self.marks: list[tuple[int, dict[int, int]]] = []
        self.untimed: dict[int, int] | None = None
        self.leases: list[tuple[int, dict[int, int]]] = []

    def copy(self) -> _State:
        new = _State(self.generation, {})
        new.addresses = dict(self.addresses)
        new.objects = dict(self.objects)
        new.next = dict(self.next)
        new.values = {name: dict(items) for name, items in self.values.items()}
        new.rows = {name: set(rows) for name, rows in self.rows.items()}
        new.marks = list(self.marks)
        new.untimed = self.untimed
        new.leases = list(self.leases)
        return new


class _Batch(tuple[Object, ...]):
    """A batch is the objects given: nothing can be done before."""

    __slots__ = ()


class MemoryReader:
    """A snapshot of a MemoryStore."""

    def __init__(self, state: _State, tables: Mapping[str, Table]) -> None:
        self._held: _State | None = state
        self._tables = tables

    @property
    def _state(self) -> _State:
        if self._held is None:
            raise Closed("this transaction is over", hint="use a reader or writer inside its `with` block only")
        return self._held

    def end(self) -> None:
        """Make every further use raise Closed."""
        self._held = None

    @property
    def generation(self) -> int:
        """The number of rewrites before this snapshot."""
        return self._state.generation

    def get(self, id: bytes) -> Object:
        """Return the object. Raises NotFound."""
        address = self.address(id)
        if address is None:
            raise NotFound(f"no object {id.hex()} is here")
        return self._state.objects[address]

    def address(self, id: bytes) -> int | None:
        """Return where the object lies, or None."""
        if len(id) != ID_BYTES:
            raise InvalidInput(f"an id is {ID_BYTES} bytes, not {len(id)}", kind="bad-id")
        return self._state.addresses.get(id)

    def find(self, id: bytes) -> tuple[int, Object] | None:
        """Return where the object lies and the object; None if it is not here."""
        address = self.address(id)
        return None if address is None else (address, self._state.objects[address])

    def frame(self, address: int) -> StoredFrame | None:
        """Return None: objects are kept one by one. Raises NotFound."""
        self.at(address)
        return None

    def at(self, address: int) -> Object:
        """Return the object at an address. Raises NotFound."""
        found = self._state.objects.get(address)
        if found is None:
            raise NotFound(f"no object is at address {address:#x}")
        return found

    def between(self, first: int, last: int) -> Iterator[tuple[int, Object]]:
        """Yield (address, object) for first <= address < last in one lane, in order."""
        past = min(last, ((max(first, 1) >> LANE_SHIFT) + 1) << LANE_SHIFT)
        objects = self._state.objects
        yield from ((address, objects[address]) for address in sorted(objects) if first <= address < past)

    def objects(self) -> Iterator[tuple[int, Object]]:
        """Yield every object with its address, lane by lane in order."""
        yield from sorted(self._state.objects.items())

    def sound(self, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
        """As `objects`: what is in memory can be read."""
        return self.objects()

    def count(self) -> int:
        """Return the number of objects."""
        return len(self._state.objects)

    def starting(self, prefix: str, limit: int = 20) -> list[Link]:
        """Return links to at most `limit` objects whose hex id starts with `prefix`, sorted by id. Raises InvalidInput."""
        if not 1 <= len(prefix) <= 2 * ID_BYTES or prefix.strip("0123456789abcdef"):
            raise InvalidInput(f"not the beginning of an id: {prefix[:80]!r}", hint="it is 1 to 64 lower-case hex digits", kind="bad-id")
        found = sorted(name for name in self._state.addresses if name.hex().startswith(prefix))
        return [self.get(name).link for name in found[:limit]]

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return the value under a key of a key-value table, or None."""
        return self._values(table).get(key)

    def items(self, table: str, *, start: bytes = b"", stop: bytes | None = None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with start <= key < stop in key order, or from the end."""
        found = sorted(item for item in self._values(table).items() if start <= item[0] and (stop is None or item[0] < stop))
        return iter(found[::-1] if reverse else found)

    def rows(self, table: str, prefix: bytes = b"", *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the rows of a row table that start with `prefix`, in order, or from the end."""
        return iter(sorted((row for row in self._rows(table) if row.startswith(prefix)), reverse=reverse))

    def addresses_at(self, time: int) -> dict[int, int]:
        """Return, by lane, an address such that whatever lies below it was added before `time`."""
        marks = self._state.marks
        # A write that comes an hour or more after a mark makes the next one: what lies between two was added within an hour of the first.
        past = bisect_left(marks, time - HOUR + 1, key=lambda mark: mark[0])
        if past:
            return dict(marks[past][1]) if past < len(marks) else dict(self._state.untimed or zip(LANES, PAST, strict=True))
        at = bisect_left(marks, time + 1, key=lambda mark: mark[0])
        return dict(marks[at - 1][1]) if at else dict(zip(LANES, FIRST, strict=True))

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """Return, by lane, the first address that must be kept whatever leads to it."""
        bounds = [self.addresses_at(time), *(bound for expiry, bound in self._state.leases if expiry > (time if now is None else now))]
        return {lane: min(bound[lane] for bound in bounds) for lane in LANES}

    def _values(self, table: str) -> dict[bytes, bytes]:
        return self._state.values[_known(self._tables, table, rows=False).name]

    def _rows(self, table: str) -> set[bytes]:
        return self._state.rows[_known(self._tables, table, rows=True).name]


class MemoryWriter(MemoryReader):
    """The write transaction of a MemoryStore: its own copy of the state."""

    _timed = False

    def put(self, batch: Batch | Iterable[Object]) -> Sequence[tuple[int, Object]]:
        """Store the objects that are not there yet; return them with their addresses, lane by lane in the order given."""
        state = self._state
        before = self.next_addresses()
        new = {item.id: item for item in batch if item.id not in state.addresses}  # type: ignore[union-attr]
        stored = []
        for item in sorted(new.values(), key=lambda item: lane_for(item.kind, len(item.body))):
            at = state.next[lane_for(item.kind, len(item.body))]
            state.next[at >> LANE_SHIFT] += 1
            state.addresses[item.id] = at
            state.objects[at] = item
            stored.append((at, item))
        if stored and not self._timed and state.untimed is None:
            state.untimed = before
        return stored

    def put_frame(self, lane: int, data: bytes, objects: Sequence[Object]) -> Sequence[tuple[int, Object]]:
        """Store the objects; the frame has no meaning here."""
        return self.put(objects)

    def next_addresses(self) -> dict[int, int]:
        """Return, by lane, the address that the next new object gets."""
        return dict(self._state.next)

    def set_value(self, table: str, key: bytes, value: bytes) -> None:
        """Put a value under a key (1 to 500 bytes). Raises InvalidInput."""
        if not 0 < len(key) <= 500:
            raise InvalidInput(f"a key in {table} has {len(key)} bytes; 1 to 500 are allowed", kind="bad-key")
        self._values(table)[key] = value

    def delete_value(self, table: str, key: bytes) -> bool:
        """Remove a key; True if it was there."""
        return self._values(table).pop(key, None) is not None

    def add_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Add rows to a row table. Raises InvalidInput for a row of another size."""
        size = _known(self._tables, table, rows=True).row_bytes
        new = set(rows)
        for row in new:
            if len(row) != size:
                raise InvalidInput(f"a row of {table} has {size} bytes, not {len(row)}", kind="bad-row")
        self._rows(table).update(new)

    def remove_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Remove rows from a row table."""
        self._rows(table).difference_update(rows)

    def clear(self, table: str) -> None:
        """Remove all that a table holds."""
        description = self._tables.get(table)
        if description is not None and description.row_bytes is not None:
            self._rows(table).clear()
        else:
            self._values(table).clear()

    def mark_time(self, now: int) -> None:
        """Note the next addresses, unless that was done less than an hour ago."""
        marks = self._state.marks
        self._timed = True
        if not marks or now >= marks[-1][0] + HOUR:
            if self._state.untimed is not None:  # what came without a time counts as added just before
                marks.append((max(now - 1, 0), self._state.untimed))
                self._state.untimed = None
            marks.append((now, self.next_addresses()))


class MemoryStore:
    """A store that lives as long as the object. Threads may share it."""

    def __init__(self, tables: Iterable[Table] = (), *, timeout: float = 30.0) -> None:
        self._tables = {table.name: table for table in tables}
        self._current: _State | None = _State(0, self._tables)
        self._lock = threading.Lock()
        self._owner = 0
        self._timeout = timeout

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _state(self) -> _State:
        if self._current is None:
            raise Closed("the store is closed")
        return self._current

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a snapshot of what is committed now."""
        reader = MemoryReader(self._state, self._tables)
        try:
            yield reader
        finally:
            reader.end()

    @contextmanager
    def write(self, *, now: int | None = None) -> Iterator[Writer]:
        """Take the write lock and begin; commit when the context ends, roll back if it raises. Raises Busy."""
        with self._locked():
            state = self._state.copy()
            writer = MemoryWriter(state, self._tables)
            if now is not None:
                writer.mark_time(now)
            try:
                yield writer
            finally:
                writer.end()
            if self._current is None:
                raise Closed("the store was closed while it was being written")
            self._current = state

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._state  # noqa: B018 - raises Closed
        if self._owner == threading.get_ident():
            raise Busy("this thread is already writing to the store", hint="end its transaction first", kind="nested-write")
        if not self._lock.acquire(timeout=self._timeout):
            raise Busy(f"another thread has been writing for over {self._timeout:g} s", hint="try again later")
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = 0
            self._lock.release()

    def prepare(self, objects: Iterable[Object], reader: Reader | None = None) -> Batch:
        """Keep the objects for `put`."""
        self._state  # noqa: B018 - raises Closed
        return _Batch(objects)

    def known(self, id: bytes) -> bool:
        """True if the object is stored."""
        return id in self._state.addresses

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Keep the objects at the addresses that `order` gives, in that order, under new addresses. `level` has no meaning here."""
        with self._locked():
            old = self._state
            reader = MemoryReader(old, self._tables)
            new = _State(old.generation + 1, self._tables)
            writer = MemoryWriter(new, self._tables)
            writer._timed = True
            moved: dict[int, int] = {}
            for address in order(reader):
                stored = writer.put([reader.at(address)])
                moved.update((address, at) for at, _ in stored)
            for name, table in self._tables.items():
                if not table.derived and table.row_bytes is None:
                    new.values[name] = dict(old.values[name])
                elif not table.derived:
                    new.rows[name] = set(old.rows[name])
            new.marks = [(time, _renumbered(bound, moved, new.next)) for time, bound in old.marks]
            new.untimed = None if old.untimed is None else _renumbered(old.untimed, moved, new.next)
            new.leases = [(expiry, _renumbered(bound, moved, new.next)) for expiry, bound in old.leases]
            rebuild(writer)
            reader.end()
            writer.end()
            self._current = new
            return {
                "objects_before": len(old.objects),
                "objects_after": len(new.objects),
                "bytes_before": _size(old),
                "bytes_after": _size(new),
            }

    def addresses_at(self, time: int) -> dict[int, int]:
        """As Reader.addresses_at, of what is committed now."""
        with self.read() as reader:
            return reader.addresses_at(time)

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As Reader.protected_since, of what is committed now."""
        with self.read() as reader:
            return reader.protected_since(time, now=now)

    @contextmanager
    def lease(self, *, now: int, seconds: int = 3600) -> Iterator[None]:
        """Keep what is added from now on from being collected, until the context ends."""
        with self._locked():
            state = self._state.copy()
            state.leases.append((now + seconds * 1_000_000, dict(state.next)))
            at = len(state.leases)
            self._current = state
        try:
            yield
        finally:
            with self._locked():
                state = self._state.copy()
                del state.leases[min(at, len(state.leases)) - 1]
                self._current = state

    def stat(self) -> Mapping[str, Any]:
        """Counts and bytes of objects by kind."""
        counts: dict[str, dict[str, int]] = {}
        for item in self._state.objects.values():
            one = counts.setdefault(item.link.kind.label, {"objects": 0, "bytes": 0})
            one["objects"] += 1
            one["bytes"] += len(item.body)
        state = self._state
        return {"engine": "memory", "generation": state.generation, "objects": len(state.objects), "bytes": _size(state), "kinds": counts}

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Yield a finding for each object whose id is not that of its kind and body."""
        for address, item in list(self._state.objects.items()):
            if progress is not None:
                progress(1)
            if object_id(item.kind, item.body) != item.id or self._state.addresses.get(item.id) != address:
                yield Finding("damaged", str(item.link), f"{item.link} is not what its id names")

    def close(self) -> None:
        """Release the store. Idempotent; afterwards every use raises Closed."""
        self._current = None


def _known(tables: Mapping[str, Table], name: str, *, rows: bool) -> Table:
    table = tables.get(name)
    if table is None or (table.row_bytes is not None) is not rows:
        raise InvalidInput(f"the store has no table of {'rows' if rows else 'keys and values'} named {name}", kind="no-such-table")
    return table


def _renumbered(bound: Mapping[int, int], moved: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Return the least new addresses of the objects that lay at or above a bound, by lane."""
    above = [new for old, new in moved.items() if old >= bound[old >> LANE_SHIFT]]
    return {lane: min([new for new in above if new >> LANE_SHIFT == lane], default=after[lane]) for lane in LANES}


def _size(state: _State) -> int:
    return sum(len(item.body) for item in state.objects.values())
