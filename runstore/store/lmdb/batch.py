"""Batches: new objects made ready outside the write lock, grouped by lane and compressed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from runstore.errors import Damaged, NotFound
from runstore.model.ids import Object
from runstore.store.frames import LIVE_LEVEL, QUICK_LEVEL, columns, compress
from runstore.store.lanes import LARGE, OVERHEAD, TARGET, cut, lane_for

if TYPE_CHECKING:
    from runstore.store.lmdb.env import Env
    from runstore.store.lmdb.read import LmdbReader

PREFIX = 8
_SMALL = 8 << 10


class Frame(NamedTuple):
    """A frame ready to be stored: how many objects, their raw size, the compressed bytes, and the content if it is soon to be joined."""

    n: int
    size: int
    data: bytes
    content: bytes | None = None


class Group(NamedTuple):
    """The new objects of one lane, and their frames."""

    lane: int
    objects: list[Object]
    frames: list[Frame]


class LmdbBatch(NamedTuple):
    """What `prepare` found: all objects given, and the groups that were new to a snapshot of a data file."""

    objects: list[Object]
    env: Env
    snapshot: int
    groups: list[Group]


def prepare(reader: LmdbReader, objects: list[Object]) -> LmdbBatch:
    """Return a batch of objects as they are new to a snapshot. Raises LimitExceeded."""
    known = reader.env.known
    wanted = {item.id: item for item in objects if item.id not in known}
    drop_held(reader, wanted)
    return LmdbBatch(objects, reader.env, reader.snapshot, group(wanted.values()))


def group(objects: Iterable[Object]) -> list[Group]:
    """Group new objects by lane, in the order given, and compress them. Raises LimitExceeded."""
    lanes: tuple[list[Object], list[Object], list[Object]] = ([], [], [])
    for item in objects:
        lanes[lane_for(item.kind, len(item.body))].append(item)
    return [Group(lane, items, _frames(lane, items)) for lane, items in enumerate(lanes) if items]


def _frames(lane: int, items: list[Object]) -> list[Frame]:
    size = sum([len(item.body) for item in items]) + OVERHEAD * len(items)
    if size < TARGET[lane]:
        return [_frame(lane, items, size)]
    return [_frame(lane, part, size) for part, size in cut(items, TARGET[lane])]


def _frame(lane: int, items: list[Object], size: int) -> Frame:
    # What is small is soon compressed again together with its neighbours. Looking far takes a millisecond to begin with.
    level = QUICK_LEVEL if size < _SMALL else LIVE_LEVEL
    content = columns(items)
    data = compress(content, level=level, far=lane == LARGE and size * 4 >= TARGET[lane])
    return Frame(len(items), size, data, content if size * 2 < TARGET[lane] else None)


def drop_held(reader: LmdbReader, wanted: dict[bytes, Object]) -> None:
    """Take out the objects that are stored. Looked up in sorted order, in which neighbours lie on the same pages."""
    for name in reader.begun(sorted(wanted)):
        if holds(reader, wanted[name]):
            del wanted[name]


def holds(reader: LmdbReader, wanted: Object) -> bool:
    """True if the object's kind and body are stored, compared byte by byte. What cannot be read does not count, so it is stored again."""
    for address in reader.candidates(wanted.id):
        try:
            segment = reader.segment(address)
        except (Damaged, NotFound):
            continue
        i = address - segment.first
        if segment.kinds[i] == wanted.kind and segment.body(i) == wanted.body:
            reader.confirmed(wanted.id, address)
            return True
    return False
