"""Marks: a set of addresses as bitmaps, one a lane. A store of a million objects takes 125 kB. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runstore.store.protocol import LANE_SHIFT

_LANES = 16
_SEQUENCE = (1 << LANE_SHIFT) - 1


class Marks:
    """A growing set of addresses of one generation."""

    __slots__ = ("_maps", "count")

    def __init__(self) -> None:
        self._maps = [bytearray() for _ in range(_LANES)]
        self.count = 0

    def add(self, address: int) -> bool:
        """Add an address; True if it was not there."""
        bits = self._maps[address >> LANE_SHIFT]
        place = (address & _SEQUENCE) >> 3
        bit = 1 << (address & 7)
        if place >= len(bits):
            bits.extend(bytes(max(place + 1 - len(bits), len(bits) >> 1, 64)))
        elif bits[place] & bit:
            return False
        bits[place] |= bit
        self.count += 1
        return True

    def __contains__(self, address: int) -> bool:
        bits = self._maps[address >> LANE_SHIFT]
        place = (address & _SEQUENCE) >> 3
        return place < len(bits) and bool(bits[place] & 1 << (address & 7))

    def update(self, addresses: Iterable[int]) -> None:
        """Add many."""
        for address in addresses:
            self.add(address)

    def discard(self, address: int) -> None:
        """Take an address out, if it is there."""
        if address in self:
            self._maps[address >> LANE_SHIFT][(address & _SEQUENCE) >> 3] &= ~(1 << (address & 7)) & 0xFF
            self.count -= 1

    def each(self, lane: int) -> Iterator[int]:
        """Yield the addresses of one lane in order."""
        base = lane << LANE_SHIFT
        for place, byte in enumerate(self._maps[lane]):
            if byte:
                for bit in range(8):
                    if byte >> bit & 1:
                        yield base | place << 3 | bit

    def __iter__(self) -> Iterator[int]:
        for lane in range(_LANES):
            yield from self.each(lane)

    def __len__(self) -> int:
        return self.count
