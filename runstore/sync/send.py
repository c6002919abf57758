"""Sending: the frames that bring objects at given addresses. A segment of which all is wanted goes as it is stored.

Order: large bodies, then small ones, then nodes: what an object links to mostly comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from runstore.model.ids import Object
from runstore.store.lanes import LARGE, NODES, OVERHEAD, SMALL, TARGET
from runstore.store.protocol import Reader
from runstore.sync.frame import MOST_OBJECTS, Frame, make_frame, stored_frame
from runstore.sync.marks import Marks

ORDER = (LARGE, SMALL, NODES)


def frames_of(reader: Reader, wanted: Marks) -> Iterator[Frame]:
    """Yield frames that hold exactly the wanted objects. Memory: one frame and what is collected for the next. Raises Damaged, NotFound."""
    for lane in ORDER:
        yield from _Lane(reader, wanted, lane).frames()


def objects_of(reader: Reader, wanted: Marks) -> Iterator[Object]:
    """Yield the wanted objects in the order of `frames_of`."""
    for lane in ORDER:
        for address in wanted.each(lane):
            yield reader.at(address)


class _Lane:
    """The frames of one lane: stored ones where all of one is wanted and it is not small, else objects compressed anew together."""

    def __init__(self, reader: Reader, wanted: Marks, lane: int) -> None:
        self._reader = reader
        self._wanted = wanted
        self._lane = lane
        self._open: list[Object] = []
        self._size = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of this lane, in the order of addresses as far as frames allow."""
        whole_until = 0
        for address in self._wanted.each(self._lane):
            if address < whole_until:
                continue
            stored = self._reader.frame(address)
            if stored is not None and stored.first == address and self._is_whole(address, stored.objects):
                frame = stored_frame(self._lane, stored.objects, stored.data)
                if frame.header.raw * 2 >= TARGET[self._lane]:
                    yield from self._close()
                    yield frame
                    whole_until = address + stored.objects
                    continue
            yield from self._take(self._reader.at(address))
        yield from self._close()

    def _is_whole(self, first: int, objects: int) -> bool:
        return objects <= MOST_OBJECTS and self._wanted.holds_range(first, objects)

    def _take(self, obj: Object) -> Iterator[Frame]:
        self._open.append(obj)
        self._size += len(obj.body) + OVERHEAD
        if self._size >= TARGET[self._lane] or len(self._open) >= MOST_OBJECTS:
            yield from self._close()

    def _close(self) -> Iterator[Frame]:
        if self._open:
            yield make_frame(self._lane, self._open)
            self._open, self._size = [], 0
