"""Snapshots and write transactions in memory: views of a state, of which a writer has a copy of its own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from runstore.errors import Closed, InvalidInput, NotFound
from runstore.model.ids import ID_BYTES, Link, Object, check_prefix
from runstore.store.addresses import FIRST, LANE_SHIFT, LANES, PAST
from runstore.store.checks import Unreadable
from runstore.store.lanes import lane_for
from runstore.store.protocol import Batch, StoredFrame, Table

HOUR = 3_600_000_000


class State:
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

    def copy(self) -> State:
        """Return a state of its own for a writer. Objects are shared: they never change."""
        new = State(self.generation, {})
        new.addresses = dict(self.addresses)
        new.objects = dict(self.objects)
        new.next = dict(self.next)
        new.values = {name: dict(items) for name, items in self.values.items()}
        new.rows = {name: set(rows) for name, rows in self.rows.items()}
        new.marks = list(self.marks)
        new.untimed = self.untimed
        new.leases = list(self.leases)
        return new


class PlainBatch(tuple[Object, ...]):
    """A batch is the objects given: nothing can be done before."""

    __slots__ = ()


class MemoryReader:
    """A snapshot of a MemoryStore."""

    def __init__(self, state: State, tables: Mapping[str, Table]) -> None:
        self._held: State | None = state
        self._tables = tables

    @property
    def _state(self) -> State:
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

    def beside(self, address: int) -> list[tuple[int, Object]]:
        """Return (address, object) of the object at an address alone: objects are kept one by one."""
        found = self._state.objects.get(address)
        return [] if found is None else [(address, found)]

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
        check_prefix(prefix)
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
        return self._state.values[known_table(self._tables, table, rows=False).name]

    def _rows(self, table: str) -> set[bytes]:
        return self._state.rows[known_table(self._tables, table, rows=True).name]


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
        size = known_table(self._tables, table, rows=True).row_bytes
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


def known_table(tables: Mapping[str, Table], name: str, *, rows: bool) -> Table:
    """Return a table's description. Raises InvalidInput if the store was not opened with it, or it is of the other sort."""
    table = tables.get(name)
    if table is None or (table.row_bytes is not None) is not rows:
        raise InvalidInput(f"the store has no table of {'rows' if rows else 'keys and values'} named {name}", kind="no-such-table")
    return table
