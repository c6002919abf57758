"""Frames on the move: a segment's frame with the header that makes it checkable by itself.

Source: docs/spec/pack.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from runstore.errors import Damaged, Refused
from runstore.model.digest import checksum
from runstore.model.ids import Object
from runstore.store import frames
from runstore.store.frames import Segment
from runstore.store.lanes import LARGE, OVERHEAD

HEADER = Struct("<BBHIQQ32s")
HEADER_BYTES = HEADER.size
MOST_OBJECTS = 1 << 16
LANES = 3
LEVEL = 3
PACKED_LEVEL = 9
_MARK = 0x46


class Header(NamedTuple):
    """What stands before a frame: its lane, its objects, the size of its content, its length, and the BLAKE3 of its bytes."""

    lane: int
    objects: int
    raw: int
    length: int
    check: bytes

    def to_bytes(self) -> bytes:
        """Return the 56 bytes."""
        return HEADER.pack(_MARK, self.lane, 0, self.objects, self.raw, self.length, self.check)


class Frame(NamedTuple):
    """A frame and its header. Whoever makes one vouches that they agree; one from elsewhere goes through `open_frame`."""

    header: Header
    data: bytes

    def to_bytes(self) -> bytes:
        """Return header and frame as they stand in a pack and in a message."""
        return self.header.to_bytes() + self.data


def read_header(data: bytes) -> Header:
    """Read 56 bytes. Raises Refused for what is no header of version 1, whatever the limits."""
    if len(data) != HEADER_BYTES:
        raise Refused(f"a frame header has {HEADER_BYTES} bytes, not {len(data)}", kind="bad-frame")
    mark, lane, zero, count, raw, length, check = HEADER.unpack(data)
    if mark != _MARK or zero or lane >= LANES:
        raise Refused("not a frame header of version 1", kind="bad-frame")
    if not 1 <= count <= MOST_OBJECTS or raw < count * OVERHEAD or not length:
        raise Refused(f"a frame header claims {count:,} objects in {raw:,} bytes", kind="bad-frame")
    return Header(lane, count, raw, length, check)


def read_frame(payload: bytes) -> Frame:
    """Take the payload of a `frame` message apart. Raises Refused unless the lengths agree."""
    header = read_header(payload[:HEADER_BYTES])
    if len(payload) != HEADER_BYTES + header.length:
        raise Refused(f"a frame of {len(payload) - HEADER_BYTES:,} bytes where its header says {header.length:,}", kind="bad-frame")
    return Frame(header, payload[HEADER_BYTES:])


def open_frame(frame: Frame) -> Segment:
    """Check a frame against its header, inflate it and take it apart. Raises Refused; nothing larger than the header says is made."""
    header, data = frame
    if checksum(data) != header.check:
        raise Refused("the bytes of a frame do not have the hash that its header gives", kind="bad-frame")
    try:
        stated = frames.content_size(data)
        if stated != header.raw:
            raise Refused(f"a frame states {stated:,} bytes of content, and its header {header.raw:,}", kind="bad-size")
        return frames.read_frame(data, header.objects)
    except Damaged as error:
        raise Refused(str(error), kind="bad-frame") from error


def stored_frame(lane: int, count: int, data: bytes) -> Frame:
    """Return a frame as a store holds it, with its header."""
    return Frame(Header(lane, count, frames.content_size(data), len(data), checksum(data)), data)


def make_frame(lane: int, objects: Sequence[Object], *, level: int = LEVEL) -> Frame:
    """Compress objects into one frame."""
    content = frames.columns(objects)
    data = frames.compress(content, level=level, far=lane == LARGE)
    return Frame(Header(lane, len(objects), len(content), len(data), checksum(data)), data)
