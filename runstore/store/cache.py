"""What a process remembers of a data file: segments taken apart, and ids known to be stored.

Both stay true as long as the data file is the current one: within a generation an address keeps its object, and no object goes.
So joining segments makes nothing here wrong; only what a transaction wrote before it was committed must never come in.
Shared by threads: reading needs no lock (a result is checked against the address asked for), changing takes one.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` takes a millisecond to import
from bisect import bisect_left, bisect_right, insort
from itertools import islice

from runstore.model.ids import Object
from runstore.store.frames import Segment

# What a segment costs in memory beside its content: the object, its end positions (8 bytes each and an int of 28).
_FIXED, _EACH = 200, 36


class SegmentCache:
    """The segments last used, up to a number of bytes. The clock method: a segment used since the hand last passed is spared."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._firsts: list[int] = []
        self._by_first: dict[int, Segment] = {}
        self._lock = allocate_lock()

    def find(self, address: int) -> Segment | None:
        """Return a remembered segment that holds the object at an address, or None."""
        firsts = self._firsts
        try:
            segment = self._by_first[firsts[bisect_right(firsts, address) - 1]]
        except (IndexError, KeyError):  # nothing there, or another thread changed the list meanwhile
            return None
        if segment.first <= address < segment.first + segment.n:
            segment.used = True
            return segment
        return None

    def make(self, address: int) -> Object | None:
        """Return the object at an address, its id computed, if a remembered segment holds it."""
        firsts = self._firsts
        try:
            segment = self._by_first[firsts[bisect_right(firsts, address) - 1]]
        except (IndexError, KeyError):
            return None
        place = address - segment.first
        if place >= segment.n or place < 0:
            return None
        segment.used = True
        return segment.make(place)

    def add(self, segment: Segment) -> None:
        """Remember a committed segment, and forget others for it. One that is larger than a quarter of the cache is not kept."""
        cost = _cost(segment)
        if cost * 4 > self._limit:
            return
        with self._lock:
            old = self._by_first.pop(segment.first, None)
            if old is None:
                insort(self._firsts, segment.first)
            else:
                self._bytes -= _cost(old)
            segment.used = False
            self._by_first[segment.first] = segment
            self._bytes += cost
            while self._bytes > self._limit:
                self._evict()

    def _evict(self) -> None:
        while True:
            first = next(iter(self._by_first))
            segment = self._by_first.pop(first)
            if not segment.used:
                break
            segment.used = False
            self._by_first[first] = segment
        self._bytes -= _cost(segment)
        del self._firsts[bisect_left(self._firsts, first)]


def _cost(segment: Segment) -> int:
    return len(segment.content) + _FIXED + _EACH * segment.n


class Known(dict[bytes, int]):
    """Ids known to be stored, with their addresses: the oldest half is forgotten when there are too many."""

    LIMIT = 1 << 17

    def learn(self, found: dict[bytes, int]) -> None:
        """Remember more. Callers change it in one thread at a time or lose nothing but a memory."""
        self.update(found)
        if len(self) > self.LIMIT:
            for old in list(islice(self, len(self) // 2)):
                self.pop(old, None)
