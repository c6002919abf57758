"""Batches: new objects made ready outside the write lock, grouped by lane and compressed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from runstore.errors import Damaged, NotFound
from runstore.model.ids import Object
from runstore.store.frames import columns, compress
from runstore.store.lanes import LARGE, LARGE_BODY, TARGET, cut, lane_for

if TYPE_CHECKING:
    from runstore.store.lmdb.env import Env
    from runstore.store.lmdb.read import LmdbReader

PREFIX = 8


class Frame(NamedTuple):
    """A frame ready to be stored: how many objects, their raw size, the compressed bytes."""

    n: int
    size: int
    data: bytes


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


def group(objects: Iterable[Object]) -> list[Group]:
    """Group new objects by lane, in the order given, and compress them. Raises LimitExceeded."""
    lanes: tuple[list[Object], list[Object], list[Object]] = ([], [], [])
    for item in objects:
        lanes[lane_for(item.kind, len(item.body))].append(item)
    return [Group(lane, items, _frames(lane, items)) for lane, items in enumerate(lanes) if items]


def _frames(lane: int, items: list[Object]) -> list[Frame]:
    return [
        Frame(len(part), size, compress(columns(part), far=lane == LARGE and size > LARGE_BODY * 4))
        for part, size in cut(items, TARGET[lane])
    ]


def drop_held(reader: LmdbReader, wanted: dict[bytes, Object]) -> None:
    """Take out the objects that are stored. Looked up in sorted order, in which neighbours lie on the same pages."""
    for name in sorted(wanted):
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
