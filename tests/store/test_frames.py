"""Frames: what is packed is unpacked, and what somebody else made is checked before it is believed."""

from __future__ import annotations

from struct import pack

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import Damaged, LimitExceeded
from runstore.model.ids import Object, make_object
from runstore.store import frames
from runstore.testing.samples import noise

objects = st.lists(st.builds(make_object, st.integers(1, 6), st.binary(max_size=300)), min_size=1, max_size=20)


def frame_of(content: bytes, *, stated: bool = True) -> bytes:
    """Return a content as a frame, as anybody may make one."""
    return zstandard.ZstdCompressor(write_content_size=stated).compress(content)


@given(objects, st.integers(1, 9), st.booleans())
def test_packed_and_unpacked(items: list[Object], level: int, far: bool) -> None:
    """A frame gives back the objects that were put in, in order, with their ids computed anew."""
    segment = frames.read_frame(frames.compress(frames.columns(items), level=level, far=far), len(items), first=7)
    assert [segment.make(i) for i in range(segment.n)] == frames.objects_in(segment) == items
    assert segment.first == 7


@given(st.lists(objects, min_size=1, max_size=5))
def test_joined_frames_hold_all_in_order(groups: list[list[Object]]) -> None:
    """Joining the contents of frames is the same as packing all their objects at once."""
    parts = [frames.open_content(frames.columns(items), len(items)) for items in groups]
    together = [item for items in groups for item in items]
    assert frames.join([(part.n, part.content) for part in parts]) == (len(together), frames.columns(together))


def test_a_large_frame_is_read_in_steps() -> None:
    """A frame above the size of one step comes back whole."""
    items = [make_object(1, noise(n, 6 << 20)) for n in range(3)]
    frame = frames.compress(frames.columns(items), far=True)
    assert frames.content_size(frame) > frames.ONE_STEP
    assert frames.objects_in(frames.read_frame(frame, 3)) == items


@pytest.mark.parametrize(
    ("content", "n"),
    [
        (b"", 1),
        (b"\x01", 1),
        (b"\x01" + pack("<I", 4) + b"abc", 1),
        (b"\x01" + pack("<I", 2) + b"abc", 1),
        (b"\x01" + pack("<I", 0xFFFFFFFF) + b"abc", 1),
        (b"\x01\x01" + pack("<II", 0xFFFFFFFE, 5) + b"abc", 2),
        (b"\x00" + pack("<I", 3) + b"abc", 1),
        (b"\x07" + pack("<I", 3) + b"abc", 1),
        (b"\x01" + pack("<I", 3) + b"abc", 2),
        (b"\x01" + pack("<I", 3) + b"abc", 0),
    ],
)
def test_columns_that_do_not_add_up(content: bytes, n: int) -> None:
    """Too few columns, lengths with another sum, unknown kinds: Damaged."""
    with pytest.raises(Damaged):
        frames.read_frame(frame_of(content), n)


def test_what_is_no_frame() -> None:
    """No frame, half a frame, a frame and something after it, two frames, no stated size: Damaged."""
    good = frames.compress(frames.columns([make_object(1, b"abc" * 100)]))
    unstated = frame_of(b"\x01" + pack("<I", 3) + b"abc", stated=False)
    for bad in (b"", b"abc", bytes(50), good[:-1], good[:6], good + b"\0", good + good, unstated):
        with pytest.raises(Damaged):
            frames.read_frame(bad, 1)


def test_a_frame_that_claims_too_much() -> None:
    """A few bytes that claim gigabytes are refused by what they state, or end as soon as there is no more, without the memory."""
    header = b"\x28\xb5\x2f\xfd"
    for descriptor, size in (
        (0xE0, (1 << 40).to_bytes(8, "little")),
        (0xE0, ((1 << 32) + 1).to_bytes(8, "little")),
        (0xA0, (3 << 30).to_bytes(4, "little")),
    ):
        with pytest.raises(Damaged):
            frames.read_frame(header + bytes((descriptor,)) + size + b"\x01\x00\x00", 1)


def test_a_frame_that_holds_more_than_it_states() -> None:
    """A content longer than stated is found after one step at most."""
    block = bytes(200_000)
    honest = frame_of(block)
    size_at = 5
    for stated in (100, 199_999):
        lying = bytearray(honest)
        lying[size_at : size_at + 4] = stated.to_bytes(4, "little")
        with pytest.raises(Damaged):
            frames.decompress(bytes(lying))


def test_a_window_that_is_too_wide() -> None:
    """A large frame that needs a window above 8 MiB is refused: it could ask for any amount of memory."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_content_size=1)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compress(noise(1, 1 << 20) * 24)
    assert zstandard.get_frame_parameters(wide).window_size > 1 << frames.WINDOW_LOG
    with pytest.raises(Damaged):
        frames.decompress(wide)


def test_a_body_that_no_frame_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body above the limit is refused before it is stored."""
    monkeypatch.setattr(frames, "LARGEST_BODY", 1000)
    with pytest.raises(LimitExceeded):
        frames.columns([make_object(1, b"x" * 1001)])
    assert frames.columns([make_object(1, b"x" * 1000)])
