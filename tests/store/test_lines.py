"""Lines that come in, plain or zstd."""

import io

import pytest
import zstandard

from runstore.errors import InvalidInput
from runstore.store.lines import lines

LINES = [f"line {number} ".encode() * 50 for number in range(2_000)]
PLAIN = b"\n".join(LINES) + b"\n"
PACKED = zstandard.compress(PLAIN)
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"


@pytest.mark.parametrize("content", [PLAIN, PLAIN[:-1], PLAIN.replace(b"\n", b"\r\n"), PACKED], ids=["plain", "no end", "crlf", "zstd"])
def test_lines_come_without_their_ends(content: bytes) -> None:
    """However the file is written, the lines are the same."""
    assert list(lines(io.BytesIO(content))) == LINES


def test_frames_follow_one_another() -> None:
    """Several frames are one stream, also where a line goes over from one to the next, or where one holds nothing."""
    cut = len(PLAIN) // 2
    frames = [zstandard.compress(PLAIN[:cut]), SKIPPABLE, zstandard.compress(b""), zstandard.compress(PLAIN[cut:])]
    assert list(lines(io.BytesIO(b"".join(frames)))) == LINES


def test_a_stream_that_is_cut_short_is_told() -> None:
    """Wherever a zstd stream ends too early, the whole lines before the cut come, and then an error; never a part of a line."""
    for cut in (5, 20, len(PACKED) // 2, len(PACKED) - 1):
        came: list[bytes] = []
        with pytest.raises(InvalidInput, match="cut short"):
            came.extend(lines(io.BytesIO(PACKED[:cut])))
        assert came == LINES[: len(came)]


def test_what_follows_a_stream_and_is_none_is_told() -> None:
    """Other bytes behind a zstd stream are an error after the lines before them."""
    came: list[bytes] = []
    with pytest.raises(InvalidInput, match="not a whole zstd stream"):
        came.extend(lines(io.BytesIO(PACKED + b"something else")))
    assert came == LINES
