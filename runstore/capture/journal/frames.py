"""The form of a journal file: a line that says the version, then frames, each with its length and checksum. Pure.

Source: docs/spec/journal.md, "Files" and "Frames".
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from runstore.errors import Refused

MAGIC = b"runstore journal 1\n"
BEGUN, CALL, LOST = 1, 2, 3
"""Kinds of entries: a request that is about to be sent, a call that ended, calls that could not be kept."""

MOST_BYTES = 1 << 30
_json = json.JSONEncoder(separators=(",", ":")).encode
_PREFIX = struct.Struct("<II")
_SIZES = struct.Struct("<BII")


class Entry(NamedTuple):
    """One frame, read. `head` is what JSON holds; `sent` and `received` are the bodies."""

    kind: int
    head: dict[str, Any]
    sent: bytes
    received: bytes


def frame(entry: Entry) -> bytes:
    """Return the bytes of an entry."""
    return b"".join(parts(entry))


def parts(entry: Entry) -> tuple[bytes, ...]:
    """Return the bytes of an entry in pieces: the bodies are not copied."""
    head = _json(entry.head).encode("ascii")
    sizes = _SIZES.pack(entry.kind, len(head), len(entry.sent))
    check = zlib.crc32(entry.received, zlib.crc32(entry.sent, zlib.crc32(sizes + head)))
    return _PREFIX.pack(len(sizes) + len(head) + len(entry.sent) + len(entry.received), check), sizes, head, entry.sent, entry.received


def entries(data: bytes, start: int = 0) -> Iterator[tuple[int, Entry | None]]:
    """Yield (offset of the next frame, entry) from an offset on, as far as whole frames go; None for a frame that is not understood.

    The end of what is whole is where a writer stands, or where it was killed while writing.
    """
    at = start
    while at + _PREFIX.size <= len(data):
        length, check = _PREFIX.unpack_from(data, at)
        end = at + _PREFIX.size + length
        if length > MOST_BYTES or end > len(data):
            return
        payload = data[at + _PREFIX.size : end]
        if zlib.crc32(payload) != check:
            return
        at = end
        yield at, _entry(payload)


def is_damaged(data: bytes, at: int) -> bool:
    """True if more than the beginning of a frame stands after the last whole one: somebody changed the file."""
    if len(data) - at < _PREFIX.size:
        return False
    length: int = _PREFIX.unpack_from(data, at)[0]
    return length > MOST_BYTES or at + _PREFIX.size + length <= len(data)


def check_magic(data: bytes, name: str) -> int:
    """Return where the frames of a file begin; 0 if its first line is not written yet. Raises Refused for another version."""
    if len(data) < len(MAGIC) and MAGIC.startswith(data):
        return 0
    if not data.startswith(MAGIC):
        raise Refused(f"{name} is no journal of version 1", hint="a newer runstore wrote it: drain it with that", kind="newer-journal")
    return len(MAGIC)


def _entry(payload: bytes) -> Entry | None:
    if len(payload) < _SIZES.size:
        return None
    kind, head, sent = _SIZES.unpack_from(payload)
    first = _SIZES.size + head
    if kind not in (BEGUN, CALL, LOST) or first + sent > len(payload):
        return None
    try:
        value = json.loads(payload[_SIZES.size : first])
    except ValueError:
        return None
    return Entry(kind, value, payload[first : first + sent], payload[first + sent :]) if isinstance(value, dict) else None
