"""Telling what can be read from what cannot: how a damaged store is copied without its damage.

An object that was damaged and stored again lies at two addresses, the index lists both, and one of them is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import lmdb

from runstore.errors import Damaged
from runstore.model.ids import Object
from runstore.store.addresses import LANE_SHIFT, NOT_HERE
from runstore.store.checks import Unreadable
from runstore.store.lmdb.errors import translate
from runstore.store.lmdb.index import PREFIX
from runstore.store.lmdb.values import open_value

if TYPE_CHECKING:
    from runstore.store.lmdb.read import LmdbReader


def sound(reader: LmdbReader, tell: Callable[[Unreadable], object]) -> Iterator[tuple[int, Object]]:
    """Yield every object that can be read, with its address, in the order of addresses; then tell of those that cannot."""
    held = Addresses()
    unlisted: list[int] = []
    count = 0
    try:
        for key, value in reader.raw.cursor(reader.env.segments).iternext():
            first = int.from_bytes(key, "big")
            try:
                segment = open_value(value, first)
            except Damaged:
                continue
            for i in range(segment.n):
                found = segment.make(i)
                if reader.lists(found.id, first + i):
                    held.add(first + i)
                    count += 1
                    yield first + i, found
                else:
                    unlisted.append(first + i)
    except lmdb.Error as error:
        raise translate(error, reader.env.path) from error
    if unlisted or count != reader.count():
        _tell(reader, held, unlisted, tell)


def _tell(reader: LmdbReader, held: Addresses, unlisted: list[int], tell: Callable[[Unreadable], object]) -> None:
    named = set()
    for prefix, rows in groupby(reader.index(), key=lambda row: row[:PREFIX]):
        listed = [int.from_bytes(row[PREFIX:], "big") for row in rows]
        again = next((address for address in listed if address in held), None)
        for address in listed:
            if address < NOT_HERE and address not in held:
                named.add(address)
                tell(Unreadable(address, prefix.hex(), again))
    for address in unlisted:
        if address not in named:
            tell(Unreadable(address, "", None))


class Addresses:
    """A set of addresses, a bit for each."""

    def __init__(self) -> None:
        self._lanes: dict[int, bytearray] = {}

    def add(self, address: int) -> bool:
        """Add an address; return False if it was there."""
        lane = self._lanes.setdefault(address >> LANE_SHIFT, bytearray())
        byte, bit = divmod(address & ((1 << LANE_SHIFT) - 1), 8)
        if byte >= len(lane):
            lane.extend(bytes(byte - len(lane) + 4096))
        new = not lane[byte] >> bit & 1
        lane[byte] |= 1 << bit
        return new

    def __contains__(self, address: int) -> bool:
        lane = self._lanes.get(address >> LANE_SHIFT, b"")
        byte, bit = divmod(address & ((1 << LANE_SHIFT) - 1), 8)
        return byte < len(lane) and bool(lane[byte] >> bit & 1)
