"""Whether a transfer is the whole store: then it is sent in the order of storage, and no link has to be followed.

Links have no cycles: where every object but the wanted ones is linked to, every object is reached. What is linked to is known from the
derived tables, for all but executions, which are few and are read. Where there are no such tables everything is read, once and in the
order of storage; where something is not here, the answer is no, and links are followed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from runstore import refs
from runstore.errors import NotFound
from runstore.model.ids import Kind
from runstore.model.objects import raws_of
from runstore.runs.absence import any_absent
from runstore.runs.tables import REFERRERS, RUN_EXECUTIONS, is_current
from runstore.store.frames import Segment, read_frame
from runstore.store.lanes import LARGE, NODES, SMALL
from runstore.store.protocol import ADDRESS_BYTES, LANE_SHIFT, Reader, StoredFrame
from runstore.sync.marks import Marks

_EXECUTION, _TAG = int(Kind.EXECUTION), int(Kind.TAG)
_TOPS = (_EXECUTION, _TAG)
_MOST_AT_ONCE = 2_000_000


def whole_store(reader: Reader, wanted: Sequence[bytes]) -> Marks | None:
    """Return the addresses of all objects if all refs are wanted and everything here follows from them; else None."""
    tops = set(wanted)
    if any(ref.target.id not in tops for prefix in ("heads/", "tags/") for ref in refs.each(reader, prefix)):
        return None
    if not is_current(reader):
        return _by_reading(reader, wanted)
    return None if any_absent(reader) else _by_tables(reader, tops)


def _by_tables(reader: Reader, tops: set[bytes]) -> Marks | None:
    read = int.from_bytes
    reached = {read(row[:ADDRESS_BYTES], "big") for table in (REFERRERS, RUN_EXECUTIONS) for row in reader.rows(table.name)}
    marks = Marks()
    linked, own = tops.copy(), set[bytes]()
    for lane in (LARGE, SMALL, NODES):
        for stored in _frames(reader, lane):
            lacking = set(range(stored.first, stored.first + stored.objects)) - reached
            if lacking or lane == NODES:
                segment = read_frame(stored.data, stored.objects)
                if not all(segment.kinds[at - stored.first] in _TOPS for at in lacking):
                    return None
                _note_tops(segment, own, linked)
            marks.add_range(stored.first, stored.objects)
    # An object stored anew beside its damaged bytes counts twice in the index, and the frames hold both.
    if marks.count != reader.count() or linked != own:
        return None
    return marks


def _by_reading(reader: Reader, wanted: Sequence[bytes]) -> Marks | None:
    """Read everything and compare hashes of ids: they are salted, so nobody can aim at a collision, which would send an object too many."""
    tops = {hash(key) for key in wanted}
    marks, own, linked = Marks(), array("q"), set(tops)
    for address, obj in reader.objects():
        if len(own) == _MOST_AT_ONCE:
            return None
        marks.add(address)
        own.append(hash(obj.id))
        if obj.kind != Kind.BLOB:
            linked.update([hash(raw[1:]) for raw in raws_of(obj.kind, obj.body)])
    held = set(own)
    return marks if linked.issuperset(own) and held.issuperset(tops) and len(linked) == len(held) else None


def _frames(reader: Reader, lane: int) -> Iterator[StoredFrame]:
    """Yield the frames of a lane from its first address on, up to a gap."""
    address = (lane << LANE_SHIFT) | 1
    while True:
        try:
            stored = reader.frame(address)
        except NotFound:
            return
        if stored is None or stored.first != address:
            return
        yield stored
        address += stored.objects


def _note_tops(segment: Segment, own: set[bytes], linked: set[bytes]) -> None:
    """Note the ids of the executions and tags of a frame, and those that they link to."""
    kinds = segment.kinds
    if not any(kind in kinds for kind in _TOPS):
        return
    for position, kind in enumerate(kinds):
        if kind in _TOPS:
            found = segment.make(position)
            own.add(found.id)
            linked.update([raw[1:] for raw in raws_of(kind, found.body) if raw[0] in _TOPS])
