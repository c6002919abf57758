"""Lanes: which objects are compressed together, where a frame is cut, and when small segments are joined.

Pure policy, no I/O. Changing a number here changes no id and leaves every stored segment readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runstore.model.ids import Object

SMALL, LARGE, NODES = 0, 1, 2
LARGE_BODY = 16 << 10
# Raw bytes at which a segment is full, by lane. Lane 1 holds large bodies: near-duplicate images lie far apart.
TARGET = (64 << 10, 4 << 20, 64 << 10)
# So many segments of one transaction each are joined into one.
RUN = (32, 16, 32)
# A join takes the joined segment before it if that is at most so many times as large. Large ones leave holes that few others fit.
TAKEN = (2, 1, 2)
FRESH, JOINED, FULL = 0, 1, 2
# An object's share of a frame beside its body: a kind and a length.
OVERHEAD = 5


EXECUTION = 5


def lane_for(kind: int, size: int) -> int:
    """Return the lane for a body: 1 from 16 KiB on; else 0 for blobs and values, 2 for lists, trees and tags.

    Executions of any size go to lane 2: the order of their addresses is the order in which they were recorded.
    """
    return (SMALL if kind <= 2 else NODES) if size < LARGE_BODY or kind == EXECUTION else LARGE


def cut(objects: Iterable[Object], target: int) -> Iterator[tuple[list[Object], int]]:
    """Yield (objects, raw size) of consecutive frames, each closed as soon as it reaches the target."""
    group: list[Object] = []
    size = 0
    for item in objects:
        group.append(item)
        size += len(item.body) + OVERHEAD
        if size >= target:
            yield group, size
            group, size = [], 0
    if group:
        yield group, size


def must_join(lane: int, run: int, fresh_bytes: int) -> bool:
    """True if a new segment of so many raw bytes, the `run`-th fresh one in a row, is the occasion to join."""
    return run >= RUN[lane] or fresh_bytes * 2 >= TARGET[lane]


def takes(lane: int, before: int, joined: int) -> bool:
    """True if a join that holds `joined` raw bytes also takes the segment of `before` bytes that stands before it.

    Only a segment of about the size is taken: so each byte is compressed again a logarithmic number of times.
    """
    return before <= TAKEN[lane] * joined and before + joined <= TARGET[lane] + TARGET[lane] // 4


def weight(lane: int, fresh_bytes: int) -> int:
    """Return what a fresh segment adds to its run: 1, or more if it brings more than its share of the target."""
    return max(1, RUN[lane] * fresh_bytes // TARGET[lane])
