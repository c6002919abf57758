"""Bits that flip on the disk: nothing wrong is ever returned, and the check finds every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstore.errors import Damaged
from runstore.model.ids import Object
from runstore.store.lmdb import LmdbStore, Settings
from runstore.testing.samples import TABLES, sample_objects
from tests.store.workers import open_store


def _make(directory: Path, count: int) -> tuple[list[Object], bytes]:
    objects = sample_objects(count)
    with open_store(directory, durable=False) as store:
        for i in range(0, count, 5):
            with store.write() as writer:
                writer.put(objects[i : i + 5])
    return objects, (directory / "data-000001").read_bytes()


def _frames(directory: Path) -> list[tuple[int, bytes]]:
    with LmdbStore.open(directory, TABLES) as store, store.read() as reader:
        return [(int.from_bytes(key, "big"), bytes(value)) for key, value in reader.raw.cursor(reader.env.segments).iternext()]


def _flip_each_frame(directory: Path, count: int, every: int) -> None:
    objects, whole = _make(directory, count)
    by_id = {item.id: item for item in objects}
    for first, value in _frames(directory)[::every]:
        for place in {4, len(value) // 2, len(value) - 1}:
            at = whole.rindex(value) + place
            damaged = bytearray(whole)
            damaged[at] ^= 1 << (place % 8)
            (directory / "data-000001").write_bytes(damaged)
            with LmdbStore.open(directory, TABLES, settings=Settings(durable=False)) as store, store.read() as reader:
                lost = 0
                for name, item in by_id.items():
                    try:
                        assert reader.get(name) == item
                    except Damaged as error:
                        lost += name.hex() in str(error)
                # A bit that changes nothing in what is decoded is no damage; any other is found.
                findings = list(store.verify())
                assert bool(findings) == bool(lost), (first, place)
                assert len([finding for finding in findings if finding.code == "unreadable"]) == lost
    (directory / "data-000001").write_bytes(whole)


def test_a_flipped_bit_in_each_frame(tmp_path: Path) -> None:
    """One bit flipped in a stored frame: a read gives the right object or Damaged naming it, and the check finds all that is lost."""
    _flip_each_frame(tmp_path / "store", 300, 6)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_flipped_bit_in_each_frame_of_a_large_store(tmp_path: Path) -> None:
    """The same for every frame of a store of 1,000 objects."""
    _flip_each_frame(tmp_path / "store", 1000, 1)


def test_a_flipped_bit_in_every_object(tmp_path: Path) -> None:
    """One bit flipped in every object of a store of 1,000: no read returns wrong bytes, and the check names every object."""
    directory = tmp_path / "store"
    objects = sample_objects(1000)
    with open_store(directory, durable=False) as store:
        for item in objects:  # each in a segment of its own
            with store.write() as writer:
                writer.put([item])
                writer.raw.put(*_flipped(writer, item), db=writer.env.segments)
                writer._tails.clear()
    with LmdbStore.open(directory, TABLES) as store:
        with store.read() as reader:
            for item in objects:
                with pytest.raises(Damaged):
                    reader.get(item.id)
        named = {finding.subject for finding in store.verify() if finding.code == "unreadable"}
        assert {item.id[:8].hex() + "…" for item in objects} == named


def _flipped(writer: object, item: Object) -> tuple[bytes, bytes]:
    from runstore.store.frames import compress, open_content
    from runstore.store.lmdb.values import from_value, to_value

    cursor = writer.raw.cursor(writer.env.segments)  # type: ignore[attr-defined]
    address = writer.address(item.id)  # type: ignore[attr-defined]
    cursor.set_range(address.to_bytes(5, "big")) or cursor.last()
    if cursor.key() > address.to_bytes(5, "big"):
        cursor.prev()
    first = int.from_bytes(cursor.key(), "big")
    stored = from_value(cursor.value())
    from runstore.store.frames import decompress

    content = bytearray(decompress(stored.frame))
    segment = open_content(bytes(content), stored.n, first)
    content[segment.ends[address - first] if item.body else address - first] ^= 1
    return cursor.key(), to_value(stored.tier, stored.weight, stored.n, compress(bytes(content)))


def test_a_damaged_object_is_stored_again(tmp_path: Path) -> None:
    """Adding an object whose stored bytes are damaged stores it anew, and it can be read again."""
    directory = tmp_path / "store"
    objects, whole = _make(directory, 50)
    first, value = _frames(directory)[-1]
    damaged = bytearray(whole)
    damaged[whole.rindex(value) + len(value) - 2] ^= 4
    (directory / "data-000001").write_bytes(damaged)
    with LmdbStore.open(directory, TABLES) as store:
        with store.write() as writer:
            stored = writer.put(objects)
        assert stored
        with store.read() as reader:
            assert [reader.get(item.id) for item in objects] == objects
            assert [reader.address(item.id) for _, item in stored] == [address for address, _ in stored]
        assert first > 0
