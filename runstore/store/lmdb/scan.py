"""Ranges of keys and rows, forward and from the end, on the engine's cursors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def items_between(cursor: Any, start: bytes, stop: bytes | None, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) with start <= key < stop in key order, or from the end. Raises the engine's errors."""
    if reverse:
        there = cursor.prev() if stop is not None and cursor.set_range(stop) else cursor.last()
    else:
        there = cursor.set_range(start) if start else cursor.first()
    if not there:
        return
    for item in cursor.iterprev() if reverse else cursor.iternext():
        if item[0] < start if reverse else stop is not None and item[0] >= stop:
            return
        yield item


def rows_between(cursor: Any, key: bytes, start: bytes, stop: bytes | None, *, reverse: bool) -> Iterator[bytes]:
    """Yield the rows under a key with start <= row < stop in order, or from the end. Raises the engine's errors."""
    if reverse:
        there = cursor.set_key(key) and (cursor.prev_dup() if stop is not None and cursor.set_range_dup(key, stop) else cursor.last_dup())
    else:
        there = cursor.set_range_dup(key, start) if start else cursor.set_key(key)
    if not there:
        return
    for row in cursor.iterprev_dup() if reverse else cursor.iternext_dup():
        if row < start if reverse else stop is not None and row >= stop:
            return
        yield row


def after(prefix: bytes) -> bytes | None:
    """Return the least bytes that are greater than all that start with the prefix, or None if there are none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else None


def hex_range(prefix: str, most: int) -> tuple[bytes, bytes | None]:
    """Return the bounds of all bytes whose hex digits start with a prefix; digits beyond `most` bytes are left out."""
    digits = prefix[: 2 * most]
    start = bytes.fromhex(digits + "0" * (len(digits) % 2))
    number = int(digits, 16) + 1
    if number >> 4 * len(digits):
        return start, None
    return start, bytes.fromhex(f"{number:0{len(digits)}x}" + "0" * (len(digits) % 2))
