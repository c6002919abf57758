"""The store in memory: which state is committed, and who may change it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runstore.errors import Busy, Closed
from runstore.model.ids import Object, object_id
from runstore.store.addresses import LANE_SHIFT, LANES
from runstore.store.checks import Finding, Progress
from runstore.store.memory.transactions import MemoryReader, MemoryWriter, PlainBatch, State
from runstore.store.protocol import Batch, Reader, Table, Writer


class MemoryStore:
    """A store that lives as long as the object. Threads may share it."""

    def __init__(self, tables: Iterable[Table] = (), *, timeout: float = 30.0) -> None:
        self._tables = {table.name: table for table in tables}
        self._current: State | None = State(0, self._tables)
        self._lock = threading.Lock()
        self._owner = 0
        self._timeout = timeout

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _state(self) -> State:
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
        return PlainBatch(objects)

    def known(self, id: bytes) -> bool:
        """True if the object is stored."""
        return id in self._state.addresses

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Keep the objects at the addresses that `order` gives, in that order, under new addresses. `level` has no meaning here."""
        with self._locked():
            old = self._state
            reader = MemoryReader(old, self._tables)
            new = State(old.generation + 1, self._tables)
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


def _renumbered(bound: Mapping[int, int], moved: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Return the least new addresses of the objects that lay at or above a bound, by lane."""
    above = [new for old, new in moved.items() if old >= bound[old >> LANE_SHIFT]]
    return {lane: min([new for new in above if new >> LANE_SHIFT == lane], default=after[lane]) for lane in LANES}


def _size(state: State) -> int:
    return sum(len(item.body) for item in state.objects.values())
