"""Frames: several object bodies compressed together, position-independent, the same in a store, a pack and on the wire.

The content is `n kind bytes | n little-endian u32 lengths | bodies`; the frame is one zstd frame that states its content size. No ids
and no addresses stand inside: ids are recomputed by whoever reads. A frame is read as if an attacker had made it: the stated size is
checked before anything is allocated for it, large frames are read in steps, and the columns must add up exactly.
Source: docs/spec/store.md, "Frames".
"""

from __future__ import annotations

from _thread import _local  # `threading` takes a millisecond to import
from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import pack, unpack_from

import zstandard

from runstore.errors import Damaged, LimitExceeded
from runstore.model.ids import Object, make_object, make_objects

LIVE_LEVEL, QUICK_LEVEL = 3, -1
# Windows larger than this are refused when reading, so a writer must stay within it.
WINDOW_LOG = 23
# The engine holds a frame as one value of at most 2^32 - 1 bytes; 64 KiB are left for what zstd adds to bytes that do not compress.
LARGEST_BODY = (1 << 32) - (1 << 20)
LARGEST_CONTENT = 1 << 32
# Up to here one allocation of the stated size is made; above it memory grows with what is really there.
ONE_STEP = 8 << 20
STEP = 4 << 20
COLUMNS = 5


class _Tools(_local):
    """The compressors and decompressors of one thread: they are costly to make and must not be shared."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
        self.compressors: dict[tuple[int, bool], zstandard.ZstdCompressor] = {}

    def compressor(self, level: int, far: bool) -> zstandard.ZstdCompressor:
        found = self.compressors.get((level, far))
        if found is None:
            found = self.compressors[level, far] = _make_compressor(level, far)
        return found


_TOOLS = _Tools()
# What a frame may be given as. The store hands over slices of stored values without copying them.
Buffer = bytes | memoryview


def _make_compressor(level: int, far: bool) -> zstandard.ZstdCompressor:
    if not far:
        return zstandard.ZstdCompressor(level=level, write_checksum=False, write_content_size=True)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=WINDOW_LOG, enable_ldm=True, ldm_hash_log=18, write_checksum=0, write_content_size=1
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


class Segment:
    """The content of one frame, taken apart as far as needed: `kinds`, and each body by position."""

    __slots__ = ("content", "ends", "first", "kinds", "n", "used")

    def __init__(self, content: bytes, n: int, ends: list[int], first: int = 0) -> None:
        self.content = content
        self.n = n
        self.kinds = content[:n]
        self.ends = ends
        self.first = first
        self.used = True

    def body(self, i: int) -> bytes:
        """Return the body at position i, 0 <= i < n."""
        ends = self.ends
        return self.content[ends[i] : ends[i + 1]]

    def make(self, i: int) -> Object:
        """Return the object at position i, its id computed from what lies here."""
        ends = self.ends
        return make_object(self.kinds[i], self.content[ends[i] : ends[i + 1]])

    def alike(self, i: int) -> list[tuple[int, Object]]:
        """Return (address, object) of all objects of the kind of the one at position i, their ids computed from what lies here."""
        content, ends, first, kind = self.content, self.ends, self.first, self.kinds[i]
        places = [at for at, other in enumerate(self.kinds) if other == kind]
        made = make_objects(kind, [content[ends[at] : ends[at + 1]] for at in places])
        return [(first + at, found) for at, found in zip(places, made, strict=True)]


def objects_in(segment: Segment) -> list[Object]:
    """Return all objects of a segment, their ids computed from what lies there."""
    content, ends, kinds = segment.content, segment.ends, segment.kinds
    bodies = [content[start:end] for start, end in pairwise(ends)]
    return list(map(make_object, kinds, bodies))


def columns(objects: Sequence[Object]) -> bytes:
    """Return the content of a frame that holds these objects, in this order. Raises LimitExceeded for a body that no frame holds."""
    bodies = [item.body for item in objects]
    lengths = [len(body) for body in bodies]
    if max(lengths) > LARGEST_BODY:
        raise LimitExceeded(
            f"a body of {max(lengths):,} bytes is larger than this store holds ({LARGEST_BODY:,})",
            hint="store it in parts, or outside with its digest inside",
        )
    return b"".join((bytes([item.kind for item in objects]), pack(f"<{len(lengths)}I", *lengths), *bodies))


def join(parts: Sequence[tuple[int, bytes]]) -> tuple[int, bytes]:
    """Return (n, content) of one frame with the objects of several, in order. Nothing is parsed or hashed again."""
    kinds = [content[:n] for n, content in parts]
    lengths = [content[n : n * COLUMNS] for n, content in parts]
    bodies = [content[n * COLUMNS :] for n, content in parts]
    return sum(n for n, _ in parts), b"".join((*kinds, *lengths, *bodies))


def compress(content: bytes, *, level: int = LIVE_LEVEL, far: bool = False) -> bytes:
    """Return the frame of a content. `far` looks for repetition over the whole 8 MiB window: for large bodies."""
    return _TOOLS.compressor(level, far).compress(content)


def content_size(frame: Buffer) -> int:
    """Return the size that a frame states for its content. Raises Damaged if it states none, or one no frame may have."""
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as error:
        raise Damaged(f"not a frame: {error}") from error
    if not 0 <= size <= LARGEST_CONTENT:
        raise Damaged("a frame states no content size" if size < 0 else f"a frame claims a content of {size:,} bytes")
    return size


def decompress(frame: Buffer) -> bytes:
    """Return the content of a frame: exactly as long as stated, with nothing after the frame. Raises Damaged."""
    size = content_size(frame)
    try:
        if size <= ONE_STEP:
            content = _TOOLS.decompressor.decompress(frame, allow_extra_data=False)
        else:
            content = _in_steps(frame, size)
    except zstandard.ZstdError as error:
        raise Damaged(f"a frame does not decompress: {error}") from error
    if len(content) != size:
        raise Damaged(f"a frame states {size:,} bytes and holds {len(content):,}")
    return content


def _in_steps(frame: Buffer, size: int) -> bytes:
    parts = []
    left = size + 1
    with _TOOLS.decompressor.stream_reader(frame) as reader:
        while left > 0 and (part := reader.read(min(STEP, left))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def open_content(content: bytes, n: int, first: int = 0) -> Segment:
    """Take the content of a frame with n objects apart. Raises Damaged unless its columns add up."""
    head = n * COLUMNS
    if n < 1 or head > len(content):
        raise Damaged(f"a frame of {len(content):,} bytes cannot hold {n:,} objects")
    ends = list(accumulate(unpack_from(f"<{n}I", content, n), initial=head))
    if ends[-1] != len(content):
        raise Damaged(f"the lengths in a frame add up to {ends[-1]:,} bytes, and it holds {len(content):,}")
    kinds = content[:n]
    if min(kinds) < 1 or max(kinds) > 6:
        raise Damaged("a frame holds an object of an unknown kind")
    return Segment(content, n, ends, first)


def read_frame(frame: Buffer, n: int, first: int = 0) -> Segment:
    """Decompress a frame that holds n objects and take it apart. Raises Damaged."""
    return open_content(decompress(frame), n, first)
