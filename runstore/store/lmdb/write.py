"""Writing: the one write transaction. Objects, tables and rows become visible and durable together, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import lmdb

from runstore.errors import InvalidInput, RunstoreError, Unavailable
from runstore.model.ids import Object
from runstore.store.addresses import ADDRESS_BYTES, FIRST, LANES, PAST, address_bytes
from runstore.store.cache import SegmentCache
from runstore.store.lanes import FRESH, FULL, JOINED, OVERHEAD, TARGET, lane_for, must_join, weight
from runstore.store.lmdb import index, marks
from runstore.store.lmdb.batch import Frame, Group, LmdbBatch, drop_held, group, holds
from runstore.store.lmdb.env import Env, key_of
from runstore.store.lmdb.errors import GONE, translate
from runstore.store.lmdb.fork import LIVE
from runstore.store.lmdb.index import PREFIX
from runstore.store.lmdb.join import Piece, Tail, join_tail, read_tail
from runstore.store.lmdb.read import LmdbReader
from runstore.store.lmdb.values import to_value
from runstore.store.protocol import Batch

if TYPE_CHECKING:
    from runstore.store.lmdb.handle import Handle

MOST_KEY_BYTES = 500
_PRIVATE_CACHE = 8 << 20


class LmdbWriter(LmdbReader):
    """The write transaction. A context manager: commits when its context ends, rolls back if it raises."""

    __slots__ = ("_broken", "_fresh", "_now", "_tails", "_timeout")

    writing = True

    def __init__(self, handle: Handle, timeout: float, now: int | None) -> None:
        super().__init__(handle)
        self._timeout = timeout
        self._now = now

    def __enter__(self) -> LmdbWriter:
        env, txn = self._handle.begin_write(self._timeout)
        try:
            self.begin(env, txn)
        except lmdb.Error as error:
            self._end(commit=False)
            raise translate(error, env.path) from error
        return self

    def begin(self, env: Env, txn: Any) -> None:
        """Begin with a write transaction of the engine."""
        self.start(env, txn)
        self._fresh: dict[bytes, int] = {}
        self._broken = False
        committed, tails = env.tails
        self._tails: dict[int, Tail] = dict(tails) if committed == self.snapshot - 1 else {}
        if self._now is not None and self._now >= env.last_mark + marks.HOUR:
            self._mark_time(self._now)

    def _mark_time(self, now: int) -> None:
        env = self._env
        last = marks.last_mark(self._txn, env.meta)
        if last < 0 or now >= last + marks.HOUR:
            marks.mark_time(self._txn, env.meta, now, self.next_addresses())
        else:
            env.last_mark = last  # another process was here

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._txn is GONE:
            return
        self._end(commit=kind is None)
        if isinstance(error, lmdb.Error):
            raise self._translated(error) from error

    def _end(self, *, commit: bool) -> None:
        env, txn = self._env, self._txn
        self.abandon()
        LIVE.discard(self)
        try:
            if commit and self._broken:
                raise Unavailable(f"{env.path}: an earlier error ended this transaction; nothing of it was stored", kind="aborted")
            if commit:
                self._commit(env, txn)
        finally:
            if not commit or self._broken:
                txn.abort()
            self._handle.lock.release()
            self._handle.leave(env)

    def _commit(self, env: Env, txn: Any) -> None:
        try:
            txn.commit()
        except lmdb.Error as error:
            raise translate(error, env.path, writing=True) from error
        env.tails = (self.snapshot, self._tails)
        if self._fresh:
            env.known.learn(self._fresh)

    def address(self, id: bytes) -> int | None:
        """As LmdbReader.address. A writer sees all that was committed, so what this process remembers needs no look."""
        found = self._fresh.get(id)
        if found is None:
            found = self._env.known.get(id)
        return super().address(id) if found is None else found

    def next_addresses(self) -> dict[int, int]:
        """Return, by lane, the address that the next new object gets."""
        return {lane: self._tail(lane).next for lane in LANES}

    def put(self, batch: Batch | Iterable[Object]) -> Sequence[tuple[int, Object]]:
        """Store the objects that are not there yet; return them with their addresses. Putting twice is no error and no change.

        An object counts as there only if its stored bytes were compared with it in this generation.
        """
        if not isinstance(batch, LmdbBatch):
            batch = self._prepared(list(cast("Iterable[Object]", batch)))
        elif not self._is_current(batch):
            batch = self._prepared(batch.objects)
        return self._put_groups(batch.groups) if batch.groups else ()

    def put_frame(self, lane: int, data: bytes, objects: Sequence[Object]) -> Sequence[tuple[int, Object]]:
        """Store objects whose bodies are the content of this frame, in this order, as `put` does; the caller vouches for that.

        The frame is kept as it is where its size is that of a full segment, none of the objects is there yet and all belong into this lane.
        """
        sizes = [len(item.body) for item in objects]
        size = sum(sizes) + OVERHEAD * len(sizes)
        full = size * 2 >= TARGET[lane] and (size <= 2 * TARGET[lane] or len(objects) == 1)
        lanes = map(lane_for, [item.kind for item in objects], sizes)
        if not full or not {lane}.issuperset(lanes) or not self._all_new(objects):
            return self.put(objects)
        return self._put_groups([Group(lane, list(objects), [Frame(len(objects), size, data)])], whole=True)

    def _all_new(self, objects: Sequence[Object]) -> bool:
        known, fresh = self._env.known, self._fresh
        ids = {item.id for item in objects}
        if self.count() == len(fresh):  # all that is here was put by this transaction, as in a clone
            return len(ids) == len(objects) and fresh.keys().isdisjoint(ids)
        return len(ids) == len(objects) and not any(one in known or one in fresh or self.candidates(one) for one in sorted(ids))

    def _put_groups(self, groups: Sequence[Group], *, whole: bool = False) -> Sequence[tuple[int, Object]]:
        stored: list[tuple[int, Object]] = []
        try:
            if self._now is None:
                marks.note_untimed(self._txn, self._env.meta, self.next_addresses())
            for one in groups:
                self._append(one, stored, whole=whole)
            index.add(self._rows, [item.id[:PREFIX] + address.to_bytes(ADDRESS_BYTES, "big") for address, item in stored])
        except lmdb.Error as error:
            raise self._failed(error) from error
        # What this transaction wrote may yet be rolled back: it must not reach the memory that others share.
        if self._cache is self._env.cache:
            self._cache = SegmentCache(_PRIVATE_CACHE)
        self._fresh.update([(item.id, address) for address, item in stored])
        return stored

    def _is_current(self, batch: LmdbBatch) -> bool:
        """True if what the batch says about presence still holds. Within one data file nothing that was there goes."""
        if batch.env is not self._env or self._fresh:
            return False
        return batch.snapshot == self.snapshot - 1 or not any(holds(self, item) for one in batch.groups for item in one.objects)

    def _prepared(self, objects: list[Object]) -> LmdbBatch:
        known, fresh = self._env.known, self._fresh
        wanted = {item.id: item for item in objects if item.id not in known and item.id not in fresh}
        drop_held(self, wanted)
        return LmdbBatch(objects, self._env, self.snapshot, group(wanted.values()))

    def _append(self, new: Group, stored: list[tuple[int, Object]], *, whole: bool) -> None:
        lane = new.lane
        tail = self._tail(lane)
        first = tail.next
        if first + len(new.objects) >= PAST[lane]:
            raise Unavailable(
                f"lane {lane} of {self._env.path} has no addresses left", hint="`runstore pack` numbers them anew", kind="lane-full"
            )
        stored.extend(zip(range(first, first + len(new.objects)), new.objects, strict=True))
        run = tail.run + weight(lane, new.frames[-1].size)
        if not must_join(lane, run, new.frames[-1].size) and len(new.frames) == 1:
            frame = new.frames[0]
            self._segments.put(address_bytes(first), to_value(FRESH, run, frame.n, frame.data), append=False)
            known = None if tail.pieces is None or frame.content is None else (*tail.pieces, Piece(first, frame.n, frame.content))
            self._tails[lane] = Tail(first + frame.n, run, known)
            return
        # Before a frame that is kept whole there is nothing to join unless fresh segments wait there; looking would read what lies there.
        taken = None if whole and not tail.run else join_tail(self._segments, tail, new)
        self._tails[lane] = taken if taken is not None else self._append_frames(new, first)

    def _append_frames(self, new: Group, first: int) -> Tail:
        at, run = first, 0
        target = TARGET[new.lane]
        for i, frame in enumerate(new.frames):
            tier, run = FULL, 0
            if i == len(new.frames) - 1 and frame.size * 4 < target * 3:
                tier = JOINED if frame.size * 2 >= target else FRESH
                run = weight(new.lane, frame.size) if tier == FRESH else 0
            self._segments.put(address_bytes(at), to_value(tier, run, frame.n, frame.data))
            at += frame.n
        return Tail(at, run, None if run else ())

    def _tail(self, lane: int) -> Tail:
        found = self._tails.get(lane)
        if found is None:
            found = self._tails[lane] = read_tail(self._segments, FIRST[lane], PAST[lane])
        return found

    def set_value(self, table: str, key: bytes, value: bytes) -> None:
        """Put a value under a key (1 to 500 bytes), replacing what stood there. Raises InvalidInput, Unavailable."""
        if not 0 < len(key) <= MOST_KEY_BYTES:
            raise InvalidInput(f"a key in {table} has {len(key)} bytes; 1 to {MOST_KEY_BYTES} are allowed", kind="bad-key")
        try:
            self._txn.put(key, value, db=self._env.values.get(table) or self._values(table))
        except lmdb.Error as error:
            raise self._failed(error) from error

    def delete_value(self, table: str, key: bytes) -> bool:
        """Remove a key; True if it was there."""
        if not 0 < len(key) <= MOST_KEY_BYTES:
            return False
        try:
            return bool(self._txn.delete(key, db=self._values(table)))
        except lmdb.Error as error:
            raise self._failed(error) from error

    def add_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Add rows to a row table; those that are there already change nothing. Raises InvalidInput for a row of another size."""
        size = self._handle.table(table, rows=True).row_bytes
        wanted = sorted(rows)
        if not {size}.issuperset(map(len, wanted)):
            found = next(len(row) for row in wanted if len(row) != size)
            raise InvalidInput(f"a row of {table} has {size} bytes, not {found}", kind="bad-row")
        key = key_of(table)
        try:
            self._rows.putmulti(zip(repeat(key), wanted, strict=False))
        except lmdb.Error as error:
            raise self._failed(error) from error

    def remove_rows(self, table: str, rows: Iterable[bytes]) -> None:
        """Remove rows from a row table; those that are not there change nothing."""
        self._handle.table(table, rows=True)
        key = key_of(table)
        cursor = self._rows
        try:
            for row in rows:
                if cursor.set_key_dup(key, row):
                    cursor.delete()
        except lmdb.Error as error:
            raise self._failed(error) from error

    def clear(self, table: str) -> None:
        """Remove all that a table holds."""
        description = self._handle.tables.get(table)
        try:
            if description is not None and description.row_bytes is not None:
                if self._rows.set_key(key_of(table)):
                    self._rows.delete(dupdata=True)
            else:
                self._txn.drop(self._values(table), delete=False)
        except lmdb.Error as error:
            raise self._failed(error) from error

    def set_lease(self, key: bytes, lease: marks.Lease | None) -> None:
        """Put or remove a lease, and with it those of processes that are gone."""
        meta = self._env.meta
        try:
            for other, old in marks.leases(self._txn, meta):
                if other == key or not marks.is_live(old):
                    self._txn.delete(other, db=meta)
            if lease is not None:
                self._txn.put(key, marks.pack_lease(lease), db=meta)
        except lmdb.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: lmdb.Error) -> RunstoreError:
        # A failed change may have been half made: the transaction can only be rolled back.
        self._broken = True
        return self._translated(error)
