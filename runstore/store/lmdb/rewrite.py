"""Rewriting: the living objects are copied, in a given order, into a new data file, and the store moves there.

The copy is made under the write lock, beside readers. Then, in this order: the new file is made durable; the last transaction on the old
file marks where the store moved to (from here on the new file is in force); CURRENT is replaced; the old file is removed. Readers that
have it open finish on it. A crash between any two steps leaves one file in force, and the next writer removes the rest.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lmdb

from runstore.errors import RunstoreError
from runstore.store import directory as place
from runstore.store.addresses import FIRST, LANE_SHIFT, LANES, address_bytes
from runstore.store.lanes import FRESH, FULL, JOINED, TARGET, lane_for, weight
from runstore.store.lmdb import marks
from runstore.store.lmdb.env import MOVED_KEY, Env, create_env, key_of, remove_file
from runstore.store.lmdb.errors import translate
from runstore.store.lmdb.fit import Cut, Packer
from runstore.store.lmdb.fork import LIVE
from runstore.store.lmdb.handle import Handle
from runstore.store.lmdb.index import INDEX, PREFIX
from runstore.store.lmdb.read import LmdbReader
from runstore.store.lmdb.sound import Addresses
from runstore.store.lmdb.values import to_value
from runstore.store.lmdb.write import LmdbWriter
from runstore.store.protocol import Reader, Writer

# So many compressed bytes are kept in memory before they are committed to the new file.
STEP = 64 << 20
_ROW = PREFIX + 5

Order = Callable[[Reader], Iterable[int]]
Rebuild = Callable[[Writer], None]


def rewrite(handle: Handle, timeout: float, order: Order, *, level: int, rebuild: Rebuild) -> dict[str, Any]:
    """Copy and move the store; return counts and sizes. Raises what `order` and `rebuild` raise, and then nothing has changed."""
    old, txn = handle.begin_write(timeout)
    txn.abort()
    try:
        handle.lock.keep_moving_only()
        return _move(handle, old, order, level, rebuild)
    except (lmdb.Error, OSError) as error:
        if isinstance(error, RunstoreError):
            raise
        raise translate(error, old.path) from error
    finally:
        handle.lock.release()
        handle.leave(old)


def _move(handle: Handle, old: Env, order: Order, level: int, rebuild: Rebuild) -> dict[str, Any]:
    path = os.path.join(handle.directory, place.data_name(old.generation + 1))
    before = os.path.getsize(old.path)
    new = create_env(path, handle.tables.values(), handle.settings, old.generation + 1)
    try:
        counts = _copy(handle, old, new, order, level, rebuild)
        new.raw.sync(True)
        place.sync_directory(handle.directory)
    except BaseException:
        new.close()
        remove_file(path)
        raise
    try:
        _mark(old, path)
    except BaseException:
        # The mark may stand all the same, after an interrupt: then the new file is in force. If not, the next opening removes it.
        new.close()
        raise
    handle.replace(new)
    handle.put_in_force(new)
    return {**counts, "bytes_before": before, "bytes_after": os.path.getsize(path), "generation": new.generation}


def _mark(old: Env, path: str) -> None:
    with old.raw.begin(write=True) as txn:
        txn.put(MOVED_KEY, os.path.basename(path).encode("ascii"), db=old.meta)


def _copy(handle: Handle, old: Env, new: Env, order: Order, level: int, rebuild: Rebuild) -> dict[str, int]:
    source = LmdbReader(handle)
    source.start(old, old.raw.begin())
    try:
        bounds = _Bounds(source)
        copier = _Copier(new, level, bounds)
        for address in order(source):
            copier.add(address, source)
        copier.finish()
        with new.raw.begin(write=True) as txn:
            _copy_tables(handle, source, txn, new)
            bounds.store(txn, new.meta, copier.next)
        _rebuild(handle, new, rebuild)
        return {"objects_before": source.count(), "objects_after": copier.count}
    finally:
        source.stop()


def _rebuild(handle: Handle, new: Env, rebuild: Rebuild) -> None:
    txn = new.raw.begin(write=True)
    writer = LmdbWriter(handle, 0, None)
    try:
        writer.begin(new, txn)
        rebuild(writer)
        txn.commit()
    finally:
        writer.abandon()
        LIVE.discard(writer)
        txn.abort()


def _copy_tables(handle: Handle, source: LmdbReader, txn: Any, new: Env) -> None:
    rows = txn.cursor(new.rows)
    for table in handle.tables.values():
        if table.derived:
            continue
        if table.row_bytes is None:
            txn.cursor(new.values[table.name]).putmulti(source.items(table.name), append=True)
        else:
            key = key_of(table.name)
            rows.putmulti((key, row) for row in source.rows(table.name))


class _Copier:
    """Fills a new data file: objects in the order given, cut into full segments by lane, and the index, sorted."""

    def __init__(self, new: Env, level: int, bounds: _Bounds) -> None:
        self.next = dict(zip(LANES, FIRST, strict=True))
        self.count = 0
        self._new = new
        self._bounds = bounds
        self._txn = new.raw.begin(write=True)
        self._segments = self._txn.cursor(new.segments)
        self._packers = {to: Packer(to, level) for to in LANES}
        self._stored = dict(self.next)
        self._rows = [bytearray() for _ in range(256)]
        self._seen = Addresses()
        self._uncommitted = 0

    def add(self, address: int, source: LmdbReader) -> None:
        """Copy the object at an address, once."""
        if not self._seen.add(address):
            return
        item = source.at(address)
        to = lane_for(item.kind, len(item.body))
        at = self.next[to]
        self.next[to] = at + 1
        self.count += 1
        self._rows[item.id[0]] += item.id[:PREFIX] + address_bytes(at)
        self._bounds.moved(address, at)
        self._new.known.learn({item.id: at})
        cut = self._packers[to].add(item)
        if cut is not None:
            self._store(to, cut)

    def _store(self, to: int, cut: Cut) -> None:
        n, size = len(cut.objects), cut.size
        tier = FULL if size * 4 >= TARGET[to] * 3 else JOINED if size * 2 >= TARGET[to] else FRESH
        value = to_value(tier, weight(to, size) if tier == FRESH else 0, n, cut.frame)
        self._segments.put(address_bytes(self._stored[to]), value)
        self._stored[to] += n
        self._uncommitted += len(value)
        if self._uncommitted >= STEP:
            self._commit()

    def _commit(self) -> None:
        self._txn.commit()
        self._txn = self._new.raw.begin(write=True)
        self._segments = self._txn.cursor(self._new.segments)
        self._uncommitted = 0

    def finish(self) -> None:
        """Write what is left, and the index."""
        for to, packer in self._packers.items():
            while (cut := packer.rest()) is not None:
                self._store(to, cut)
        cursor = self._txn.cursor(self._new.rows)
        for bucket in self._rows:
            rows = sorted(bytes(bucket[i : i + _ROW]) for i in range(0, len(bucket), _ROW))
            cursor.putmulti([(INDEX, row) for row in rows], append=True)
        self._rows.clear()
        self._txn.commit()


class _Bounds:
    """Time marks and leases on their way to new addresses: each bound becomes the least new address of what lay at or above it."""

    def __init__(self, source: LmdbReader) -> None:
        txn, meta = source.raw, source.env.meta
        self._marks = list(marks.marks(txn, meta))
        self._leases = [(key, lease) for key, lease in marks.leases(txn, meta) if marks.is_live(lease)]
        untimed = txn.get(marks.UNTIMED, db=meta)
        self._untimed = None if untimed is None else marks.unpack_addresses(untimed)
        sources: list[Mapping[int, int]] = [addresses for _, addresses in self._marks]
        sources += [lease.addresses for _, lease in self._leases] + ([] if self._untimed is None else [self._untimed])
        self._old = {lane: sorted({bound[lane] for bound in sources}) for lane in LANES}
        self._least: dict[int, dict[int, int]] = {lane: {} for lane in LANES}

    def moved(self, old: int, new: int) -> None:
        """Note that an object was copied from an old address to a new one, of perhaps another lane."""
        to = new >> LANE_SHIFT
        # Where another version drew the lanes otherwise, an object that changes its lane counts as new.
        at = (bisect_right(self._old[to], old) if old >> LANE_SHIFT == to else len(self._old[to])) - 1
        if at >= 0:
            least = self._least[to]
            if at not in least or new < least[at]:
                least[at] = new

    def store(self, txn: Any, meta: Any, after: Mapping[int, int]) -> None:
        """Put marks and leases into the new file."""
        renumbered = {lane: self._renumbered(lane, after[lane]) for lane in LANES}
        for time, bound in self._marks:
            marks.put_mark(txn, meta, time, {lane: renumbered[lane][bound[lane]] for lane in LANES})
        if self._untimed is not None:
            marks.note_untimed(txn, meta, {lane: renumbered[lane][self._untimed[lane]] for lane in LANES})
        for key, lease in self._leases:
            moved = lease._replace(addresses={lane: renumbered[lane][lease.addresses[lane]] for lane in LANES})
            txn.put(key, marks.pack_lease(moved), db=meta)

    def _renumbered(self, lane: int, after: int) -> dict[int, int]:
        result = {}
        least = after
        for at in range(len(self._old[lane]) - 1, -1, -1):
            least = min(least, self._least[lane].get(at, after))
            result[self._old[lane][at]] = least
        return result
