"""The headers of values: how each begins, and the bytes of those that are one piece.

Source: docs/spec/identity.md, "Values".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from runstore.model.ids import Kind, Object
from runstore.model.scalars import LEAST_INT, MOST_INT, digits_of, has_surrogate, join_surrogates
from runstore.tuples import NamedTuple

EXT_LINK, EXT_INT, EXT_TEXT = 1, 2, 3
LINK_HEAD = b"\xc7\x21\x01"
CONTENT = frozenset((Kind.BLOB, Kind.VALUE))
ANY_KIND = frozenset(Kind)

_BYTES = tuple(bytes((code,)) for code in range(256))
_pack_b1, _pack_b2, _pack_b4 = struct.Struct(">BB").pack, struct.Struct(">BH").pack, struct.Struct(">BI").pack
# Header, width and range of the integers that are longer than one byte, the shortest of each sign first.
_INTS = (
    *((0xCC + step, 1 << step, 0, (1 << (8 << step)) - 1) for step in range(4)),
    *((0xD0 + step, 1 << step, -1 << ((8 << step) - 1), -1) for step in range(4)),
)
_FIXEXT = {1: b"\xd4", 2: b"\xd5", 4: b"\xd6", 8: b"\xd7", 16: b"\xd8"}


class Encoded(NamedTuple):
    """A body and the blobs that were made of the bytes in it."""

    body: bytes
    blobs: tuple[Object, ...] = ()


def array_head(count: int) -> bytes:
    """The header of an array of so many items."""
    if count < 16:
        return _BYTES[0x90 | count]
    return _pack_b2(0xDC, count) if count < 1 << 16 else _pack_b4(0xDD, count)


def map_head(count: int) -> bytes:
    """The header of a map of so many entries."""
    if count < 16:
        return _BYTES[0x80 | count]
    return _pack_b2(0xDE, count) if count < 1 << 16 else _pack_b4(0xDF, count)


def ext(code: int, data: bytes) -> bytes:
    """An extension value with its shortest header."""
    size = len(data)
    if size in _FIXEXT:
        return _FIXEXT[size] + _BYTES[code] + data
    if size < 1 << 8:
        return _pack_b1(0xC7, size) + _BYTES[code] + data
    return (_pack_b2(0xC8, size) if size < 1 << 16 else _pack_b4(0xC9, size)) + _BYTES[code] + data


def pack_int(number: int, known: Mapping[int, bytes] | None = None) -> bytes:
    """An integer: the shortest form, unsigned from 0 up, or its digits beyond 64 bits (from `known` where they stand there)."""
    if 0 <= number < 128:
        return _BYTES[number]
    if 0xFFFFFFFF < number <= MOST_INT:  # a time
        return b"\xcf" + number.to_bytes(8, "big")
    if not LEAST_INT <= number <= MOST_INT:
        return ext(EXT_INT, (known and known.get(number)) or digits_of(number))
    if -32 <= number < 0:
        return _BYTES[256 + number]
    for code, width, least, most in _INTS:
        if least <= number <= most:
            return _BYTES[code] + number.to_bytes(width, "big", signed=number < 0)
    raise AssertionError("the widest integers were written above")


def pack_text(text: str) -> bytes:
    """A string: UTF-8, or WTF-8 as an extension if a surrogate without a partner stands in it."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        text = join_surrogates(text)
        if has_surrogate(text):
            return ext(EXT_TEXT, text.encode("utf-8", "surrogatepass"))
        data = text.encode("utf-8")
    size = len(data)
    if size < 32:
        return _BYTES[0xA0 | size] + data
    if size < 1 << 8:
        return _pack_b1(0xD9, size) + data
    return (_pack_b2(0xDA, size) if size < 1 << 16 else _pack_b4(0xDB, size)) + data
