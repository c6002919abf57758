"""The value under a segment's first address: `tier | varint weight | varint n | frame`.

The weight of a fresh segment is how near the run of fresh segments that ends with it is to being joined (docs/spec/store.md, "Joining").
"""

from __future__ import annotations

from runstore.errors import Damaged
from runstore.store.addresses import read_varint, varint
from runstore.store.frames import Segment, read_frame
from runstore.tuples import NamedTuple

MOST_OBJECTS = 1 << 26


class Stored(NamedTuple):
    """A segment as it is stored, its frame not yet opened."""

    tier: int
    weight: int
    n: int
    frame: memoryview


def to_value(tier: int, weight: int, n: int, frame: bytes) -> bytes:
    """Return the value to store."""
    return b"".join((bytes((tier,)), varint(weight), varint(n), frame))


def from_value(value: bytes) -> Stored:
    """Take a stored value apart. Raises Damaged."""
    try:
        tier = value[0]
        weight, at = read_varint(value, 1)
        n, at = read_varint(value, at)
    except (ValueError, IndexError):
        raise Damaged("a segment's head is cut off or malformed") from None
    if tier > 2 or not 1 <= n <= MOST_OBJECTS:
        raise Damaged(f"a segment claims tier {tier} and {n:,} objects")
    return Stored(tier, weight, n, memoryview(value)[at:])


def open_value(value: bytes, first: int) -> Segment:
    """Return the segment that a value holds. Raises Damaged, naming the segment's first address."""
    try:
        stored = from_value(value)
        return read_frame(stored.frame, stored.n, first)
    except Damaged as error:
        raise Damaged(f"the segment at address {first:#x}: {error}", hint="`runstore fsck` tells the extent") from error
