"""Joining: small segments of one transaction each become one, while adding goes on.

Bounded: a join reads and compresses at most 1.25 times the lane's target, and takes a segment that was joined before only if it is at
most about as large as what is joined to it, so each byte is compressed again a logarithmic number of times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runstore.store import frames
from runstore.store.addresses import LANE_SHIFT, address_bytes
from runstore.store.frames import columns, compress, content_size
from runstore.store.lanes import FRESH, FULL, JOINED, LARGE, TARGET, takes
from runstore.store.lmdb.values import from_value, open_value, to_value

if TYPE_CHECKING:
    from runstore.store.lmdb.batch import Group


class Piece(NamedTuple):
    """A segment on its way into a join: its first address, how many objects, its content."""

    first: int
    n: int
    content: bytes


class Tail(NamedTuple):
    """The end of a lane: the next address, the weight of the run of fresh segments there, and that run if it is at hand."""

    next: int
    run: int
    pieces: tuple[Piece, ...] | None = ()


def read_tail(segments: Any, first: int, past: int) -> Tail:
    """Find the end of a lane."""
    there = segments.prev() if segments.set_range(address_bytes(past)) else segments.last()
    if there:
        start = int.from_bytes(segments.key(), "big")
        if start >= first:
            stored = from_value(segments.value())
            return Tail(start + stored.n, stored.weight, None) if stored.tier == FRESH else Tail(start + stored.n, 0)
    return Tail(first, 0)


def join_tail(segments: Any, tail: Tail, new: Group) -> Tail | None:
    """Join what stands at the end of the lane, with the new group if all fits one segment.

    Return the new end if the group is in, else None: then the group's frames are still to be appended.
    """
    lane, target = new.lane, TARGET[new.lane]
    fresh = new.frames[0].size if len(new.frames) == 1 else target
    old, size = _gather(segments, tail, lane, fresh)
    fits = len(new.frames) == 1 and size + fresh <= target + target // 4
    parts = [*old, Piece(tail.next, len(new.objects), new.frames[0].content or columns(new.objects))] if fits else old
    if len(parts) > 1:
        _replace(segments, parts, lane, size + fresh if fits else size, closed=not fits)
    return Tail(tail.next + len(new.objects), 0) if fits and len(parts) > 1 else None


def _gather(segments: Any, tail: Tail, lane: int, fresh: int) -> tuple[list[Piece], int]:
    found = list(reversed(tail.pieces or ()))
    size = sum([len(piece.content) for piece in found])
    end = found[-1].first if found else tail.next
    there = segments.prev() if segments.set_range(address_bytes(end)) else segments.last()
    while there:
        first = int.from_bytes(segments.key(), "big")
        if first >> LANE_SHIFT != lane:
            break
        value = segments.value()
        stored = from_value(value)
        raw = content_size(stored.frame)
        if stored.tier == FULL or (stored.tier == JOINED and not takes(lane, raw, size + fresh)):
            break
        found.append(Piece(first, stored.n, open_value(value, first).content))
        size += raw
        there = segments.prev()
    found.reverse()
    return found, size


def _replace(segments: Any, parts: list[Piece], lane: int, size: int, *, closed: bool) -> None:
    n, content = frames.join([(part.n, part.content) for part in parts])
    for part in parts:
        if segments.set_key(address_bytes(part.first)):
            segments.delete()
    tier = FULL if closed or size * 4 >= TARGET[lane] * 3 else JOINED
    segments.put(address_bytes(parts[0].first), to_value(tier, 0, n, compress(content, far=lane == LARGE)))
