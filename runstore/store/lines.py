"""Lines of a file, plain or zstd: how JSON lines come in. Bounded, so that no input can fill the memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from runstore.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE = 1 << 30
MAX_WINDOW = 1 << 27
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Four bytes can stand for a block of 128 KiB, so that one portion becomes 128 MiB at most.
_PORTION = 1 << 12


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a binary stream without their ends; a zstd stream is known by its first bytes and inflated.

    Raises LimitExceeded for a line of more than 1 GiB, InvalidInput where a zstd stream is cut short or is none any more. What came
    before has been yielded then, but for a line that was not whole.
    """
    buffered = io.BufferedReader(stream) if not hasattr(stream, "peek") else stream  # type: ignore[type-var]
    if buffered.peek(4)[:4] == _ZSTD_MAGIC:
        buffered = io.BufferedReader(_Inflated(buffered), 1 << 17)
    while True:
        try:
            line = buffered.readline(MAX_LINE + 1)
        except zstandard.ZstdError as error:
            raise InvalidInput(f"not a whole zstd stream: {error}", kind="bad-zstd") from error
        if not line:
            return
        if len(line) > MAX_LINE:
            raise LimitExceeded(f"a line has more than {MAX_LINE} bytes")
        yield line.rstrip(b"\r\n")


class _Inflated(io.RawIOBase):
    """The bytes in the frames of a zstd stream. Unlike the library's reader, it tells a stream that is cut short."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._inflating = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._ready:
            portion = self._rest or self._source.read(_PORTION)
            if not portion:
                if self._frame is not None:
                    raise zstandard.ZstdError("it is cut short")
                return 0
            self._frame = self._frame or self._inflating.decompressobj()
            self._ready = memoryview(self._frame.decompress(portion))
            self._rest = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        wanted = memoryview(buffer).cast("B")
        taken = min(len(wanted), len(self._ready))
        wanted[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken
