"""Joining as adding goes on: few segments, bounded work, and nothing that a reader could notice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from runstore.store import frames, lanes
from runstore.store.addresses import LANE_SHIFT
from runstore.store.frames import content_size
from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.lmdb.values import from_value
from runstore.testing.samples import sample_object


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    """An empty store."""
    with LmdbStore.open(tmp_path / "store", create=True, settings=Settings(durable=False)) as made:
        yield made


def segments(store: LmdbStore, lane: int) -> list[tuple[int, int, int, int]]:
    """Return (first address, tier, weight, raw size) of a lane's segments."""
    with store.read() as reader:
        found = []
        for key, value in reader.raw.cursor(reader.env.segments).iternext():
            first, stored = int.from_bytes(key, "big"), from_value(value)
            if first >> LANE_SHIFT == lane:
                found.append((first, stored.tier, stored.weight, content_size(stored.frame)))
        return found


def add(store: LmdbStore, sizes: list[int], kind: int, start: int) -> None:
    """Add objects of these sizes in one transaction."""
    with store.write() as writer:
        writer.put([sample_object(start + i, size, kind) for i, size in enumerate(sizes)])


def check(store: LmdbStore, lane: int) -> None:
    """After any adds: no long run of fresh segments, no segment far above the target, and all is whole."""
    found = segments(store, lane)
    run = 0
    for _, tier, weight, size in found:
        run = run + 1 if tier == lanes.FRESH else 0
        assert run < lanes.RUN[lane]
        assert (weight > 0) == (tier == lanes.FRESH)
        assert size <= 1.25 * lanes.TARGET[lane] or tier == lanes.FULL
    assert list(store.verify()) == []


@pytest.mark.parametrize("size", [40, 300, 2_000, 15_000])
def test_many_small_adds(store: LmdbStore, size: int) -> None:
    """Adding one object at a time leaves segments of the target's size and a short tail."""
    count = min(1500, 40 * lanes.TARGET[0] // size)
    for n in range(count):
        add(store, [size], 2, n)
    check(store, 0)
    full = [size for _, tier, _, size in segments(store, 0) if tier == lanes.FULL]
    assert len(segments(store, 0)) <= len(full) + lanes.RUN[0] + 8
    assert all(size >= lanes.TARGET[0] // 2 for size in full)


def test_large_bodies_are_joined(store: LmdbStore) -> None:
    """Bodies of lane 1 are joined after eight, up to their own target."""
    for n in range(120):
        add(store, [20_000 + n * 13], 1, n)
    check(store, 1)
    assert len(segments(store, 1)) < 24


def test_adds_of_mixed_sizes(store: LmdbStore) -> None:
    """Small adds, large ones and whole batches in any order keep the rules."""
    start = 0
    for turn in range(120):
        sizes = [[50], [300] * 7, [15_000] * (turn % 7), [2_000] * 60, [70_000, 30, 9_000], [100] * 400][turn % 6]
        add(store, sizes, 1 + turn % 4, start)
        start += len(sizes)
    for lane in (0, 1, 2):
        check(store, lane)


def test_two_writers_in_turn(store: LmdbStore, tmp_path: Path) -> None:
    """A writer that does not know how the lane ends, since another wrote, joins just the same."""
    for n in range(200):
        store.handle.env.tails = (-1, {})
        add(store, [100, 200], 3, n * 2)
    check(store, 2)
    assert len(segments(store, 2)) < 45


@pytest.mark.parametrize(("batches", "size"), [([1], 250), ([1], 40), ([1, 1, 60, 150, 1, 230, 40], 250), ([7] * 31 + [200], 250)])
def test_the_work_of_a_join_is_bounded(store: LmdbStore, monkeypatch: pytest.MonkeyPatch, batches: list[int], size: int) -> None:
    """No join compresses more than 1.25 targets, and all joins together a small multiple of what was added, in whatever batches."""
    compressed: list[int] = []
    original = frames.compress

    def counting(content: bytes, *, far: bool = False) -> bytes:
        compressed.append(len(content))
        return original(content, far=far)

    monkeypatch.setattr("runstore.store.lmdb.join.compress", counting)
    added = 0
    for count in cycle(batches):
        if added >= 3000:
            break
        add(store, [size] * count, 2, added)
        added += count
    assert max(compressed) <= 1.25 * lanes.TARGET[0]
    assert sum(compressed) < 6 * added * (size + lanes.OVERHEAD)
