"""Pack files: frames, then an index and a trailer. Written in one pass, read as a stream or at random.

Source: docs/spec/pack.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from struct import Struct
from typing import BinaryIO, NamedTuple

from runstore.errors import Refused
from runstore.model.digest import checksum
from runstore.model.ids import ID_BYTES, Object
from runstore.store.frames import Segment
from runstore.sync.frame import HEADER_BYTES, Frame, Header, open_frame, read_header

VERSION = 1
HEAD = b"RSPACK" + bytes((VERSION, 0))
TAIL = b"RSPACK" + bytes((VERSION, 0x45))
_TRAILER = Struct("<IIQQ32s8s")
TRAILER_BYTES = _TRAILER.size
_ENTRY_BYTES = ID_BYTES + 1


class PackWriter:
    """Writes a pack to a stream: `add` frames, then `finish`. The index costs 33 bytes of memory an object until then."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._headers: list[bytes] = []
        self._kinds = bytearray()
        self._ids = bytearray()
        self.size = self._write(HEAD)

    def add(self, frame: Frame, segment: Segment | None = None) -> None:
        """Write one frame. `segment` is its content where the caller has it open. Raises Refused if it does not agree with its header."""
        opened = open_frame(frame) if segment is None else segment
        self._headers.append(frame.header.to_bytes())
        self.size += self._write(self._headers[-1]) + self._write(frame.data)
        self._kinds += opened.kinds
        for i in range(opened.n):
            self._ids += opened.make(i).id

    def finish(self) -> int:
        """Write index and trailer; return the size of the pack in bytes."""
        offset = self.size
        index = b"".join((*self._headers, self._kinds, self._ids))
        start = _TRAILER.pack(len(self._headers), 0, len(self._kinds), offset, b"", b"")[:24]
        self.size += self._write(index) + self._write(start + checksum(HEAD, index, start) + TAIL)
        return self.size

    def _write(self, data: bytes) -> int:
        self._stream.write(data)
        return len(data)


def write_pack(stream: BinaryIO, frames: Iterable[Frame]) -> int:
    """Write a whole pack; return its size in bytes."""
    writer = PackWriter(stream)
    for frame in frames:
        writer.add(frame)
    return writer.finish()


class Place(NamedTuple):
    """Where an object lies in a pack: the number of the frame, and the position in it."""

    frame: int
    position: int


class Index:
    """The index of a pack: its frames' headers and offsets, and every object's kind and id, as the pack claims them."""

    def __init__(self, headers: list[Header], kinds: bytes, ids: bytes, start: int) -> None:
        self.headers = headers
        self.kinds = kinds
        self.offsets = list(accumulate((HEADER_BYTES + header.length for header in headers), initial=start))
        self.firsts = list(accumulate((header.objects for header in headers), initial=0))
        self.raw_ids = ids

    def __len__(self) -> int:
        return len(self.kinds)

    def id(self, number: int) -> bytes:
        """Return the id of the object at a number, counted over the whole pack."""
        return self.raw_ids[number * ID_BYTES : (number + 1) * ID_BYTES]

    def ids(self) -> Iterator[bytes]:
        """Yield all ids in the order of the objects."""
        return (self.id(number) for number in range(len(self)))

    def place(self, number: int) -> Place:
        """Return where the object at a number lies."""
        frame = bisect_right(self.firsts, number) - 1
        return Place(frame, number - self.firsts[frame])


def read_index(index: bytes, trailer: bytes, *, offset: int) -> Index:
    """Read an index that begins at `offset` of its pack, and the trailer. Raises Refused unless both are whole and agree."""
    if len(trailer) != TRAILER_BYTES:
        raise Refused("a pack is cut short", kind="bad-pack")
    frames, zero, objects, start, check, tail = _TRAILER.unpack(trailer)
    if tail[:6] == TAIL[:6] and tail != TAIL:
        raise Refused(f"a pack of version {tail[6]}, and this program reads version {VERSION}", hint="use a newer runstore", kind="version")
    if tail != TAIL or zero or start != offset or len(index) != frames * HEADER_BYTES + objects * _ENTRY_BYTES:
        raise Refused("a pack is cut short, or its trailer is damaged", kind="bad-pack")
    if checksum(HEAD, index, trailer[:24]) != check:
        raise Refused("the index of a pack does not have the hash that the trailer gives", kind="bad-pack")
    headers = [read_header(index[at : at + HEADER_BYTES]) for at in range(0, frames * HEADER_BYTES, HEADER_BYTES)]
    kinds_at = frames * HEADER_BYTES
    ids_at = kinds_at + objects
    found = Index(headers, index[kinds_at:ids_at], index[ids_at:], len(HEAD))
    if found.firsts[-1] != objects or found.offsets[-1] != offset:
        raise Refused("the frames of a pack do not add up to what its trailer says", kind="bad-pack")
    return found


class PackFile:
    """A pack inside a file that can be read at random, from `start` of it. Raises Refused where it is not whole."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file = file
        self._start = start
        size = file.seek(0, 2) - start
        if size < len(HEAD) + TRAILER_BYTES or (head := self._read(0, len(HEAD)))[:6] != HEAD[:6]:
            raise Refused("not a pack", kind="bad-pack")
        if head != HEAD:
            raise Refused(
                f"a pack of version {head[6]}, and this program reads version {VERSION}", hint="use a newer runstore", kind="version"
            )
        trailer = self._read(size - TRAILER_BYTES, TRAILER_BYTES)
        offset = _TRAILER.unpack(trailer)[3]
        if not len(HEAD) <= offset <= size - TRAILER_BYTES:
            raise Refused("a pack is cut short, or its trailer is damaged", kind="bad-pack")
        self.index = read_index(self._read(offset, size - TRAILER_BYTES - offset), trailer, offset=offset)

    def frame(self, number: int) -> Frame:
        """Return a frame, not yet opened. Raises Refused if its header is not the one that the index gives."""
        header = self.index.headers[number]
        data = self._read(self.index.offsets[number], HEADER_BYTES + header.length)
        if data[:HEADER_BYTES] != header.to_bytes():
            raise Refused(f"the header of frame {number} is not the one in the index", kind="bad-pack")
        return Frame(header, data[HEADER_BYTES:])

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in order."""
        return (self.frame(number) for number in range(len(self.index.headers)))

    def segment(self, number: int) -> Segment:
        """Return the content of a frame, checked against its header."""
        return open_frame(self.frame(number))

    def objects(self) -> Iterator[Object]:
        """Yield every object, its id computed and compared with the index. Raises Refused."""
        at = 0
        for number in range(len(self.index.headers)):
            segment = self.segment(number)
            for i in range(segment.n):
                found = segment.make(i)
                if found.id != self.index.id(at) or found.kind != self.index.kinds[at]:
                    raise Refused(f"object {at} of a pack is {found.link}, and its index says {self.index.id(at).hex()}", kind="bad-pack")
                yield found
                at += 1

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(self._start + at)
        data = self._file.read(size)
        if len(data) != size:
            raise Refused("a pack is cut short", kind="bad-pack")
        return data
