"""Cutting full segments for a rewrite, so that they fill the engine's pages.

A value that does not fit half a page lies on whole pages of its own, and of the last one half is empty on average: a tenth of a
segment of 64 KiB. So a segment may grow past its target until its last page is nearly full, and the best cut that was tried is taken.
"""

from __future__ import annotations

from typing import NamedTuple

from runstore.model.ids import Object
from runstore.store.frames import columns, compress
from runstore.store.lanes import LARGE, OVERHEAD, TARGET

PAGE = 4096
# What stands beside the frame: the header of its first page, and tier, weight and number of objects.
BESIDE = 16 + 6
ATTEMPTS = 4
# A segment is taken at once if at most this part of its pages is empty.
GOOD = 0.012
# However well its content compresses, a segment is not tried larger than this: a reader decompresses all of it.
MOST_TARGETS = 2


class Cut(NamedTuple):
    """The objects of one segment, their raw size, and their frame."""

    objects: list[Object]
    size: int
    frame: bytes

    @property
    def waste(self) -> float:
        """The part of its pages that is empty."""
        used = len(self.frame) + BESIDE
        return -used % PAGE / (used + -used % PAGE)


class Packer:
    """Takes the objects of one lane one by one, and gives cuts when they are full."""

    def __init__(self, lane: int, level: int) -> None:
        self._lane = lane
        self._level = level
        self._pending: list[Object] = []
        self._size = 0
        self._limit = TARGET[lane]
        self._tried: list[Cut] = []

    def add(self, item: Object) -> Cut | None:
        """Take an object; return a cut if one is ready. The objects of a cut are the first of those pending."""
        self._pending.append(item)
        self._size += len(item.body) + OVERHEAD
        return self._try() if self._size >= self._limit else None

    def rest(self) -> Cut | None:
        """Return what is left as one cut, or None. Call until it gives None: what was tried and cut shorter leaves more."""
        if not self._pending:
            return None
        return self._emit(self._cut())

    def _cut(self) -> Cut:
        return Cut(list(self._pending), self._size, compress(columns(self._pending), level=self._level, far=self._lane == LARGE))

    def _try(self) -> Cut | None:
        cut = self._cut()
        self._tried.append(cut)
        room = -(len(cut.frame) + BESIDE) % PAGE
        limit = self._size + max(1, int(room * 0.97 * self._size / len(cut.frame)))
        if cut.waste > GOOD and len(self._tried) < ATTEMPTS and limit <= MOST_TARGETS * TARGET[self._lane]:
            self._limit = limit
            return None
        return self._emit(min(self._tried, key=lambda tried: tried.waste))

    def _emit(self, cut: Cut) -> Cut:
        self._pending = self._pending[len(cut.objects) :]
        self._size -= cut.size
        self._limit = TARGET[self._lane]
        self._tried = []
        return cut
