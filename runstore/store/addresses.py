"""Addresses: where an object lies, as a 40-bit integer, the lane in its top 4 bits and the sequence number in the other 36.

Pure. Sequence numbers begin at 1, so no address is 0. Big-endian bytes sort as the integers do.
"""

from __future__ import annotations

ADDRESS_BYTES = 5
LANE_SHIFT = 36
LANES = (0, 1, 2)
FIRST = tuple((lane << LANE_SHIFT) | 1 for lane in LANES)
PAST = tuple((lane + 1) << LANE_SHIFT for lane in LANES)
# Addresses from here on say of an object that it is not here, and are kept for saying why. To a reader of this version it is not stored.
NOT_HERE = 15 << LANE_SHIFT


def address_bytes(address: int) -> bytes:
    """Return the 5 bytes of an address, as they stand in the index and before a segment."""
    return address.to_bytes(ADDRESS_BYTES, "big")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it and the position after it. Raises ValueError if it is cut off or over 36 bits."""
    value = shift = 0
    while at < len(data) and shift < LANE_SHIFT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> LANE_SHIFT or (byte == 0 and shift):
                break
            return value, at
        shift += 7
    raise ValueError("not a number of at most 36 bits")


def varint(value: int) -> bytes:
    """Return a number as unsigned LEB128, the shortest form."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
