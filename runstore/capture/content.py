"""Content encodings: a response's body as it lay on the wire, without its compression. Bounded; a body cut short gives what it has."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from runstore.errors import InvalidInput, LimitExceeded

MOST_BYTES = 1 << 30


def decoded(body: bytes, encoding: str, *, most: int = MOST_BYTES) -> bytes:
    """Return the body without its encodings.

    Raises InvalidInput for an encoding that is not known here or bytes that are not of it, LimitExceeded for more than `most` bytes.
    """
    for name in reversed([one.strip() for one in encoding.split(",") if one.strip() not in ("", "identity")]):
        step = _STEPS.get(name)
        if step is None:
            raise InvalidInput(f"the content encoding {name[:40]!r} is not known here", kind="unknown-encoding")
        body = step(body, most)
    return body


def _inflated(body: bytes, most: int) -> bytes:
    # Some servers call a raw deflate stream `deflate`, and some a gzip one.
    window = zlib.MAX_WBITS | 32 if body[:2] == b"\x1f\x8b" or (body[:1] and body[0] & 15 == 8) else -zlib.MAX_WBITS
    done = []
    while body:
        step = zlib.decompressobj(window)
        try:
            done.append(_bounded(step.decompress(body, most + 1), most))
        except zlib.error as error:
            raise InvalidInput(f"the body is not compressed as it says: {error}", kind="bad-encoding") from error
        if not step.eof or window < 0:
            break
        body = step.unused_data
    return _bounded(b"".join(done), most)


def _brotli(body: bytes, most: int) -> bytes:
    module: Any = None
    for name in ("brotli", "brotlicffi"):
        try:
            module = __import__(name)
            break
        except ImportError:
            continue
    if module is None:
        raise InvalidInput(
            "a body is compressed with brotli, and nothing here reads it", hint="pip install brotli", kind="unknown-encoding"
        )
    try:
        return _bounded(module.Decompressor().process(body), most)
    except module.error as error:
        raise InvalidInput(f"the body is not compressed as it says: {error}", kind="bad-encoding") from error


def _zstandard(body: bytes, most: int) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=True)
    done = []
    size = 0
    try:
        while piece := reader.read(1 << 16):
            done.append(piece)
            size += len(piece)
            if size > most:
                break
    except zstandard.ZstdError as error:
        if not done:
            raise InvalidInput(f"the body is not compressed as it says: {error}", kind="bad-encoding") from error
    return _bounded(b"".join(done), most)


def _bounded(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise LimitExceeded(f"a body has more than {most} bytes without its compression", kind="limit-exceeded")
    return data


_STEPS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _inflated,
    "x-gzip": _inflated,
    "deflate": _inflated,
    "br": _brotli,
    "zstd": _zstandard,
}
