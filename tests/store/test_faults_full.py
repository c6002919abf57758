"""No room: the map or the disk is full. What was acknowledged stands, and with room again the store goes on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runstore.errors import Unavailable
from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.lmdb.lockfile import SIZE
from runstore.testing.samples import NAMES, PAIRS, TABLES, noise, sample_objects
from tests.store.processes import assert_whole, run
from tests.store.workers import group, open_store, row


def _rewrite(store: LmdbStore) -> None:
    store.rewrite(lambda reader: [address for address, _ in reader.objects()], level=1, rebuild=lambda _: None)


def test_a_full_map(tmp_path: Path) -> None:
    """When the map is full a transaction fails as a whole with `map-full`; a larger map lets the store go on."""
    directory = tmp_path / "store"
    done: list[int] = []
    kinds: set[str] = set()
    with open_store(directory, durable=False, map_size=400_000) as store:
        for turn in range(200):
            try:
                with store.write() as writer:
                    writer.put(group(1, turn))
                    writer.add_rows(PAIRS.name, [row(1, turn)])
                done.append(turn)
            except Unavailable as error:
                kinds.add(error.kind)
        assert kinds == {"map-full"}
        assert 0 < len(done) < 200
    assert_whole(directory, {1: set(done)})
    with open_store(directory, durable=False) as store:
        with store.write() as writer:
            writer.put(sample_objects(300, 5000))
        _rewrite(store)
    assert_whole(directory, {1: set(done)})


def test_a_full_map_at_each_write_step(tmp_path: Path) -> None:
    """Whatever step meets the end of the map, the transaction cannot be committed, even if the error is swallowed."""
    for size in range(100_000, 240_000, 8192):
        directory = tmp_path / f"store-{size}"
        with open_store(directory, durable=False, map_size=size) as store:
            for turn in range(12):
                try:
                    with store.write() as writer:
                        with suppress(Unavailable):
                            writer.put(group(1, turn))
                        with suppress(Unavailable):
                            writer.set_value(NAMES.name, b"%d" % turn, noise(turn, 5000))
                        with suppress(Unavailable):
                            writer.add_rows(PAIRS.name, [row(1, turn), *(b"x%05d" % (turn * 500 + n) for n in range(500))])
                except Unavailable:
                    continue
            with store.read() as reader:
                for turn in range(12):
                    parts = {
                        reader.address(group(1, turn)[0].id) is not None,
                        reader.value(NAMES.name, b"%d" % turn) is not None,
                        list(reader.rows(PAIRS.name, row(1, turn))) != [],
                    }
                    assert len(parts) == 1
            assert list(store.verify()) == []


@pytest.mark.parametrize("limit", [120_000, 200_000, 333_333])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    """When files may grow no further, transactions fail with a clean error; what was acknowledged is whole, and adding goes on."""
    directory = tmp_path / "store"
    lines = run("fill_limited", directory, 1, 60, limit)
    done = {int(line) for line in lines if not line.startswith("-")}
    assert {line for line in lines if line.startswith("-")} <= {"- disk-full", "- io", "- aborted"}
    assert 0 < len(done) < 60
    assert_whole(directory, {1: done})
    run("add_groups", directory, 2, 10)
    assert_whole(directory, {1: done, 2: set(range(10))})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB, where this user may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_without_a_byte_left(small_disk: Path) -> None:
    """On a full disk adding and rewriting end as `disk-full` and no process dies; reading goes on, and with room again so does adding."""
    directory, filler = small_disk / "store", small_disk / "filler"
    with open_store(directory) as store, store.write() as writer:
        writer.put(sample_objects(10))
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1000)):
            continue
    for locked in (True, False):  # the engine's lock file is made anew where there is none
        assert run("use_a_full_disk", directory, "reading") == ["10"]
        assert run("use_a_full_disk", directory, "adding") == ["disk-full"]
        assert run("use_a_full_disk", directory, "rewriting") == ["disk-full"]
        if locked:
            (directory / "data-000001-lock").unlink()
            filler.write_bytes(filler.read_bytes() + bytes(SIZE))
    filler.unlink()
    assert run("use_a_full_disk", directory, "rewriting") == ["10"]
    assert run("use_a_full_disk", directory, "adding") == ["11"]


def test_a_full_disk_while_rewriting(tmp_path: Path) -> None:
    """A rewrite that finds no room leaves the store as it was, and no file behind."""
    directory = tmp_path / "store"
    run("add_groups", directory, 1, 40)
    with LmdbStore.open(directory, TABLES, settings=Settings(map_size=60_000, durable=False)) as store, pytest.raises(Unavailable):
        _rewrite(store)
    assert sorted(name.name for name in directory.iterdir()) == ["CURRENT", "data-000001", "data-000001-lock", "lock", "runstore.toml"]
    assert_whole(directory, {1: set(range(40))})
