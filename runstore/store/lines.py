"""Lines of a file, plain or zstd: how JSON lines come in. Bounded, so that no input can fill the memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from runstore.errors import InvalidInput, LimitExceeded

MAX_LINE = 1 << 30
MAX_WINDOW = 1 << 27
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines of a binary stream without their ends; a zstd stream is known by its first bytes and inflated.

    Raises LimitExceeded for a line of more than 1 GiB, InvalidInput for a stream that is cut short or is no zstd.
    """
    buffered = io.BufferedReader(stream) if not hasattr(stream, "peek") else stream  # type: ignore[type-var]
    if buffered.peek(4)[:4] == _ZSTD_MAGIC:
        buffered = io.BufferedReader(
            zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(buffered, read_across_frames=True)
        )
    while True:
        try:
            line = buffered.readline(MAX_LINE + 1)
        except zstandard.ZstdError as error:
            raise InvalidInput(f"{name}: not a whole zstd stream: {error}", kind="bad-zstd") from error
        if not line:
            return
        if len(line) > MAX_LINE:
            raise LimitExceeded(f"{name}: a line has more than {MAX_LINE} bytes")
        yield line.rstrip(b"\r\n")
