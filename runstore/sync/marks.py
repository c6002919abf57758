"""Marks: a set of addresses as bitmaps. A store of a million objects takes 150 kB, and a few objects of it hardly anything. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runstore.store.protocol import LANE_SHIFT

_PAGE = 12  # addresses by the 4,096
_OFFSET = (1 << _PAGE) - 1
_BYTES = 1 << _PAGE - 3


class Marks:
    """A growing set of addresses of one generation."""

    __slots__ = ("_pages", "count")

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self.count = 0

    def add(self, address: int) -> bool:
        """Add an address; True if it was not there."""
        page = self._pages.get(address >> _PAGE)
        if page is None:
            page = self._pages[address >> _PAGE] = bytearray(_BYTES)
        place, bit = (address & _OFFSET) >> 3, 1 << (address & 7)
        if page[place] & bit:
            return False
        page[place] |= bit
        self.count += 1
        return True

    def add_range(self, first: int, count: int) -> None:
        """Add neighbouring addresses, none of which is there yet."""
        at, past = first, first + count
        while at < past:
            end = min((at >> _PAGE) + 1 << _PAGE, past)
            page = self._pages.get(at >> _PAGE)
            bits = int.from_bytes(page or b"", "little") | ((1 << end - at) - 1) << (at & _OFFSET)
            self._pages[at >> _PAGE] = bytearray(bits.to_bytes(_BYTES, "little"))
            at = end
        self.count += count

    def __contains__(self, address: int) -> bool:
        page = self._pages.get(address >> _PAGE)
        return page is not None and bool(page[(address & _OFFSET) >> 3] & 1 << (address & 7))

    def holds_range(self, first: int, count: int) -> bool:
        """True if neighbouring addresses are all there."""
        at, past = first, first + count
        while at < past:
            end = min((at >> _PAGE) + 1 << _PAGE, past)
            page = self._pages.get(at >> _PAGE)
            wanted = (1 << end - at) - 1
            if page is None or int.from_bytes(page, "little") >> (at & _OFFSET) & wanted != wanted:
                return False
            at = end
        return True

    def update(self, addresses: Iterable[int]) -> None:
        """Add many."""
        for address in addresses:
            self.add(address)

    def discard(self, address: int) -> None:
        """Take an address out, if it is there."""
        if address in self:
            self._pages[address >> _PAGE][(address & _OFFSET) >> 3] &= ~(1 << (address & 7)) & 0xFF
            self.count -= 1

    def each(self, lane: int) -> Iterator[int]:
        """Yield the addresses of one lane in order."""
        numbers = [number for number in self._pages if number >> LANE_SHIFT - _PAGE == lane]
        for number in sorted(numbers):
            yield from _addresses(number << _PAGE, self._pages[number])

    def __iter__(self) -> Iterator[int]:
        for number in sorted(self._pages):
            yield from _addresses(number << _PAGE, self._pages[number])

    def __len__(self) -> int:
        return self.count


def _addresses(base: int, page: bytearray) -> Iterator[int]:
    for place, byte in enumerate(page):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield base | place << 3 | bit
