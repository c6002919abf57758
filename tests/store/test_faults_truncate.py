"""Data files that are cut short or are none: a clean error, never a dead process and never a wrong answer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runstore.errors import Damaged, Refused
from runstore.store.lmdb import LmdbStore
from runstore.store.lmdb.header import read_head
from runstore.store.lmdb.pages import used
from runstore.testing.samples import TABLES, sample_objects
from tests.store.processes import run
from tests.store.workers import open_store


def _truncate_at_many_places(directory: Path, places: int, seed: int) -> None:
    run("add_groups", directory, 1, 60, 0)
    data = directory / "data-000001"
    whole = data.read_bytes()
    luck = random.Random(seed)
    borders = [0, 1, 100, 4095, 4096, 8191, 8192, len(whole) - 4096, len(whole) - 1]
    outcomes = set()
    for size in [*borders, *(luck.randrange(len(whole)) for _ in range(places - len(borders)))]:
        data.write_bytes(whole[:size])
        lines = run("read_all", directory)  # asserts that the process ended by itself
        assert len(lines) == 1
        outcomes.add(lines[0].split()[0])
        assert lines[0].startswith("damaged") or size > len(whole) - 4096 * 4, lines
    assert "damaged" in outcomes
    data.write_bytes(whole)
    assert run("read_all", directory)[0].startswith("whole")


def test_truncated_at_some_places(tmp_path: Path) -> None:
    """A data file cut at any length is reported as damaged by a process that lives."""
    _truncate_at_many_places(tmp_path / "store", 16, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_truncated_at_200_places(tmp_path: Path) -> None:
    """The same at two hundred lengths."""
    _truncate_at_many_places(tmp_path / "store", 200, 2)


def test_truncated_while_open(tmp_path: Path) -> None:
    """A file that is cut while a store has it open is found at the next transaction, before anything is touched."""
    directory = tmp_path / "store"
    with open_store(directory, durable=False) as store:
        with store.write() as writer:
            writer.put(sample_objects(500))
        with store.read():
            pass
        with open(directory / "data-000001", "r+b") as file:
            file.truncate(4096 * 5)
        with pytest.raises(Damaged), store.read():
            pass
        with pytest.raises(Damaged), store.write():
            pass


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"SQLite format 3\0" + bytes(9000), bytes(70_000)])
def test_a_file_that_is_no_data_file(tmp_path: Path, content: bytes) -> None:
    """A foreign or empty file under the name of the data file is damage, and is left as it is."""
    directory = tmp_path / "store"
    open_store(directory).close()
    (directory / "data-000001").write_bytes(content)
    with pytest.raises(Damaged):
        LmdbStore.open(directory, TABLES)
    assert (directory / "data-000001").read_bytes() == content


def test_a_data_file_of_another_program(tmp_path: Path) -> None:
    """A sound file of the engine that holds no store is damage, not an empty store."""
    import lmdb

    directory = tmp_path / "store"
    open_store(directory).close()
    (directory / "data-000001").unlink()
    lmdb.open(str(directory / "data-000001"), subdir=False).close()
    with pytest.raises(Damaged):
        LmdbStore.open(directory, TABLES)


def test_a_newer_data_version(tmp_path: Path) -> None:
    """A data file of a later version of the engine is refused before the engine is asked."""
    directory = tmp_path / "store"
    open_store(directory).close()
    data = bytearray((directory / "data-000001").read_bytes())
    data[20] = data[4096 + 20] = 3
    (directory / "data-000001").write_bytes(data)
    with pytest.raises(Refused) as caught:
        LmdbStore.open(directory, TABLES)
    assert caught.value.kind == "newer-format"


def test_free_pages_at_the_end_are_no_damage(tmp_path: Path) -> None:
    """A file that is shorter than its last page says, because pages at the end are free and were never written, is whole."""
    directory = tmp_path / "store"
    objects = sample_objects(40)
    with open_store(directory, durable=False) as store, store.write() as writer:
        writer.put(objects)
    data = directory / "data-000001"
    content = bytearray(data.read_bytes())
    newest = max((int.from_bytes(content[at + 144 : at + 152], "little"), at) for at in (0, 4096))[1]
    claimed = newest + 136
    pages = int.from_bytes(content[claimed : claimed + 8], "little")
    content[claimed : claimed + 8] = (pages + 3).to_bytes(8, "little")
    data.write_bytes(content)
    with LmdbStore.open(directory, TABLES) as store, store.read() as reader:
        assert [reader.get(item.id) for item in objects] == objects


def _damage_pages(directory: Path, count: int) -> None:
    run("add_groups", directory, 1, 60, 0)
    data = directory / "data-000001"
    whole = data.read_bytes()
    luck = random.Random(3)
    with open(data, "rb") as file:
        head = read_head(file.fileno(), str(data))
        extents = [extent.page for extent in used(file.fileno(), head) if extent.page >= 2]
    for page in luck.sample(extents, min(count, len(extents))):
        damaged = bytearray(whole)
        damaged[page * head.page_size : page * head.page_size + 16] = luck.randbytes(16)
        data.write_bytes(damaged)
        lines = run("check", directory)
        assert lines[-1].split()[0] in ("pages", "damaged"), (page, lines)


def test_damaged_pages(tmp_path: Path) -> None:
    """Pages that do not hang together are found, and the process that checks them lives."""
    _damage_pages(tmp_path / "store", 12)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_damaged_page(tmp_path: Path) -> None:
    """The same for every page in use."""
    _damage_pages(tmp_path / "store", 10_000)
