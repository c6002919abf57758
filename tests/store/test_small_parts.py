"""The small parts: addresses, stored values, lanes, the memory of segments and ids."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import Damaged
from runstore.model.ids import make_object
from runstore.store import lanes
from runstore.store.addresses import LANE_SHIFT, LANES, address_bytes, read_varint, varint
from runstore.store.cache import Known, SegmentCache
from runstore.store.frames import Segment, columns, compress, open_content
from runstore.store.lmdb import marks
from runstore.store.lmdb.fit import Packer
from runstore.store.lmdb.values import Stored, from_value, to_value
from runstore.testing.samples import noise, sample_object


@given(st.integers(0, (1 << 36) - 1), st.binary(max_size=4))
def test_numbers(value: int, after: bytes) -> None:
    """A number is read back with the place after it, and any part of it alone is refused."""
    data = varint(value)
    assert read_varint(data + after, 0) == (value, len(data))
    with pytest.raises(ValueError, match="36 bits"):
        read_varint(data[:-1], 0)


@pytest.mark.parametrize("data", [b"\x80\x00", b"\x81\x80\x00", b"\xff\xff\xff\xff\xff\x7f", b"\xff" * 6 + b"\x01"])
def test_numbers_in_a_longer_form_or_too_large(data: bytes) -> None:
    """A number has one form, and at most 36 bits."""
    with pytest.raises(ValueError, match="36 bits"):
        read_varint(data, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, (1 << 36) - 1)), max_size=20))
def test_addresses_sort_as_their_bytes(parts: list[tuple[int, int]]) -> None:
    """Addresses sort as their bytes do."""
    addresses = [(lane << LANE_SHIFT) | number for lane, number in parts]
    assert sorted(addresses) == [int.from_bytes(data, "big") for data in sorted(map(address_bytes, addresses))]


@given(st.integers(0, 2), st.integers(0, 1000), st.integers(1, 1 << 20), st.binary(max_size=9))
def test_stored_values(tier: int, weight: int, n: int, frame: bytes) -> None:
    """A stored value is taken apart into what it was made of."""
    assert from_value(to_value(tier, weight, n, frame)) == Stored(tier, weight, n, memoryview(frame))


@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\x00\x01", b"\x03\x01\x01x", b"\x00\x01\x00x", b"\x00\x80\x00\x01", b"\x00\x01\xff\xff\xff\xff\x01"]
)
def test_stored_values_that_are_none(value: bytes) -> None:
    """A head that is cut off, of an unknown tier, or of no objects or too many is Damaged."""
    with pytest.raises(Damaged):
        from_value(value)


def test_lanes() -> None:
    """Large bodies share a lane, but for executions; small ones lie by what links and what does not."""
    assert [lanes.lane_for(kind, 16_383) for kind in range(1, 7)] == [0, 0, 2, 2, 2, 2]
    assert [lanes.lane_for(kind, 16_384) for kind in range(1, 7)] == [1, 1, 1, 1, 2, 1]


@given(st.lists(st.integers(8, 3000), max_size=200), st.integers(1, 20_000))
def test_cutting(sizes: list[int], target: int) -> None:
    """Every frame but the last reaches the target, and would not without its last object."""
    items = [sample_object(n, size) for n, size in enumerate(sizes)]
    cuts = list(lanes.cut(items, target))
    assert [item for group, _ in cuts for item in group] == items
    for i, (group, size) in enumerate(cuts):
        assert size == sum(len(item.body) + lanes.OVERHEAD for item in group)
        assert size - len(group[-1].body) - lanes.OVERHEAD < target
        assert size >= target or i == len(cuts) - 1


@given(st.lists(st.integers(20, 70_000), min_size=1, max_size=300))
def test_packing_keeps_order_and_size(sizes: list[int]) -> None:
    """A packer gives all objects in order, none of its segments far above the target, and none but the last below it."""
    items = [sample_object(n, size % 16_000 + 8) for n, size in enumerate(sizes)]
    packer = Packer(0, 1)
    cuts = [cut for item in items if (cut := packer.add(item)) is not None]
    full = len(cuts)
    while (cut := packer.rest()) is not None:
        cuts.append(cut)
    assert [item for cut in cuts for item in cut.objects] == items
    assert [cut.size for cut in cuts] == [len(columns(cut.objects)) for cut in cuts]
    assert all(lanes.TARGET[0] <= cut.size <= 2 * lanes.TARGET[0] + 16_100 for cut in cuts[:full])


def test_packing_fills_pages() -> None:
    """Segments of ordinary text leave less than a twentieth of their pages empty, on average."""
    packer = Packer(0, 3)
    cuts = [cut for n in range(6000) if (cut := packer.add(sample_object(n))) is not None]
    assert len(cuts) > 10
    assert sum(cut.waste for cut in cuts) / len(cuts) < 0.05


def _segment(first: int, n: int, size: int = 100) -> Segment:
    return open_content(columns([make_object(1, noise(first + i, size)) for i in range(n)]), n, first)


def test_the_cache_finds_by_any_address() -> None:
    """A segment is found by each of its addresses, and by no other, also beside one that was joined from it."""
    cache = SegmentCache(1 << 20)
    cache.add(_segment(10, 5))
    cache.add(_segment(20, 3))
    for address in range(30):
        found = cache.find(address)
        assert (found is not None) == (10 <= address < 15 or 20 <= address < 23)
    cache.add(_segment(10, 9))
    assert [found.n for address in range(10, 19) if (found := cache.find(address))] == [9] * 9
    cache.add(_segment(5, 30))
    assert cache.find(6) is not None
    assert all(found is None or found.first <= address < found.first + found.n for address in range(40) for found in [cache.find(address)])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=120))
def test_the_cache_keeps_to_its_limit(uses: list[tuple[int, int]]) -> None:
    """However it is used, the cache stays within its bytes and gives no wrong segment."""
    cache = SegmentCache(6_000)
    for first, n in uses:
        cache.find(first * 7)
        cache.add(_segment(first * 7, n, 50))
        kept = list(cache._by_first.values())
        assert sum(len(segment.content) for segment in kept) <= 6_000
        assert cache._firsts == sorted(cache._by_first)
        assert cache._bytes <= 6_000


def test_a_segment_that_is_too_large_for_the_cache() -> None:
    """A segment of more than a quarter of the cache does not push out all others."""
    cache = SegmentCache(8_000)
    cache.add(_segment(1, 3))
    cache.add(_segment(50, 30, 200))
    assert cache.find(1) is not None
    assert cache.find(50) is None


def test_known_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of ids is bounded, and what is newest stays."""
    monkeypatch.setattr(Known, "LIMIT", 100)
    known = Known()
    for n in range(500):
        known.learn({n.to_bytes(32, "big"): n})
        assert len(known) <= 100
        assert known[n.to_bytes(32, "big")] == n


def test_compressing_far() -> None:
    """Large bodies that resemble one another over a long distance are compressed against one another."""
    near = noise(1, 1 << 20)
    content = near + noise(2, 2 << 20) + near
    assert len(compress(content, far=True)) < 3.1 * (1 << 20) < len(compress(content))


def test_whose_lease_lives() -> None:
    """A lease lives with its process: not with another that was given its number, and one of another place until it expires."""
    own = marks.own_lease(0, dict.fromkeys(LANES, 1))
    assert marks.is_live(own)
    assert not marks.is_live(own._replace(started="1"))
    assert marks.is_live(own._replace(started=""))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert not marks.is_live(own._replace(process=gone.pid, started="1"))
    assert marks.is_live(own._replace(process=gone.pid, started="1", place="another machine"))
