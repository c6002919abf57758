"""The store on disk: opening it, sharing it between stores, threads and processes, and what is found in its directory."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.errors import Busy, Closed, Damaged, InvalidInput, NoStore, NotFound, Refused, Unavailable
from runstore.model.ids import make_object
from runstore.store import directory as place
from runstore.store.addresses import FIRST, address_bytes
from runstore.store.frames import columns, compress
from runstore.store.lanes import FULL
from runstore.store.lmdb import LmdbStore, Settings, marks, rewrite
from runstore.store.lmdb.env import Env, create_env
from runstore.store.lmdb.index import INDEX
from runstore.store.lmdb.index import row as index_row
from runstore.store.lmdb.values import to_value
from runstore.store.protocol import Reader, Table
from runstore.testing.samples import NAMES, PAIRS, TABLES, noise, sample_object, sample_objects
from tests.store.processes import line, run, start
from tests.store.workers import group, open_store

QUICK = Settings(durable=False)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the store is made."""
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[LmdbStore]:
    """An empty store."""
    with LmdbStore.open(directory, TABLES, create=True, settings=QUICK) as made:
        yield made


def everything(reader: Reader) -> list[int]:
    """An order that keeps all."""
    return [address for address, _ in reader.objects()]


def test_a_directory_without_a_store(directory: Path) -> None:
    """Opening what is not there is NoStore, and makes nothing."""
    with pytest.raises(NoStore):
        LmdbStore.open(directory, TABLES)
    assert not directory.exists()
    directory.mkdir()
    with pytest.raises(NoStore):
        LmdbStore.open(directory, TABLES)
    assert list(directory.iterdir()) == []


def test_a_frame_brings_only_what_nobody_stored(directory: Path) -> None:
    """Of a frame of which another process stored a part, only the rest is stored."""
    objects = [make_object(1, noise(number, 600)) for number in range(120)]
    with LmdbStore.open(directory, TABLES, create=True, settings=QUICK) as store, store.write() as writer:
        writer.put(objects[:40])
    with LmdbStore.open(directory, TABLES, settings=QUICK) as store:
        with store.write() as writer:
            stored = writer.put_frame(0, compress(columns(objects)), objects)
        assert {item.id for _, item in stored} == {item.id for item in objects[40:]}
        with store.read() as reader:
            assert reader.count() == len(objects)


def test_a_lease_outlives_its_process_only_until_the_next(store: LmdbStore) -> None:
    """Whoever takes a lease removes those of processes that are gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with store.write() as writer:
        dead = marks.own_lease(1 << 60, writer.next_addresses())._replace(process=gone.pid, started="1")
        writer.set_lease(marks.LEASE + b"dead", dead)
    with store.lease(now=0), store.read() as reader:
        assert [lease.process for _, lease in marks.leases(reader.raw, reader.env.meta)] == [os.getpid()]
    with store.read() as reader:
        assert marks.leases(reader.raw, reader.env.meta) == []


@pytest.mark.parametrize("generation", [0, 4])
def test_nothing_is_made_over_a_store_that_lost_current(directory: Path, generation: int) -> None:
    """A directory with a data file that was written to and no CURRENT is damage that names the file, and the file stays."""
    objects = sample_objects(3)
    with LmdbStore.open(directory, TABLES, create=True, settings=QUICK) as store:
        with store.write() as writer:
            writer.put(objects)
        for _ in range(generation):
            store.rewrite(everything, level=1, rebuild=lambda _: None)
    data = directory / place.data_name(generation)
    held = data.read_bytes()
    (directory / place.CURRENT).unlink()
    for create in (False, True):
        with pytest.raises(Damaged, match=data.name) as lost:
            LmdbStore.open(directory, TABLES, create=create)
        assert lost.value.kind == "no-current"
    assert data.read_bytes() == held
    place.write_current(str(directory), data.name)
    with LmdbStore.open(directory, TABLES) as store, store.read() as reader:
        assert [reader.get(item.id) for item in objects] == objects


def test_a_store_that_another_makes_at_this_moment(store: LmdbStore, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is made and written to between two looks at its directory is a store, and has lost nothing."""
    with store.write() as writer:
        writer.put(sample_objects(1))
    (directory / place.CURRENT).rename(directory / "later")
    look = os.listdir

    def made_meanwhile(path: str) -> list[str]:
        (directory / "later").rename(directory / place.CURRENT)
        return look(path)

    monkeypatch.setattr(os, "listdir", made_meanwhile)
    assert place.is_store(str(directory))


@pytest.mark.parametrize("left", ["nothing", "empty", "tables"])
def test_a_store_whose_making_was_interrupted_is_made(directory: Path, left: str) -> None:
    """What a process leaves that died before it wrote CURRENT is no store, and is replaced when one is made."""
    place.make_directory(str(directory))
    data = directory / place.data_name(0)
    if left == "empty":
        data.touch()
    elif left == "tables":
        create_env(str(data), TABLES, QUICK, 0).close()
    with pytest.raises(NoStore):
        LmdbStore.open(directory, TABLES)
    with LmdbStore.open(directory, TABLES, create=True, settings=QUICK) as store, store.write() as writer:
        assert writer.put(sample_objects(1))


def test_only_the_owner_may_look(store: LmdbStore, directory: Path) -> None:
    """The directory has mode 0700, every file in it 0600, also after a rewrite."""
    store.rewrite(everything, level=1, rebuild=lambda _: None)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_two_stores_on_one_directory(store: LmdbStore, directory: Path) -> None:
    """Two stores on a directory share the data file; closing one leaves the other open; the path's spelling does not matter."""
    other = LmdbStore.open(directory / ".." / "store", TABLES)
    with other.write() as writer:
        writer.put(sample_objects(3))
    assert store.known(sample_object(1).id)
    other.close()
    with store.read() as reader:
        assert len(list(reader.objects())) == 3
    with pytest.raises(Closed):
        other.known(bytes(32))


def test_a_store_opened_for_reading(store: LmdbStore, directory: Path) -> None:
    """A store opened for reading only reads, beside a writer too, and refuses to write."""
    with LmdbStore.open(directory, TABLES, read_only=True) as reading:
        with store.write() as writer:
            writer.put(sample_objects(3))
        with reading.read() as reader:
            assert len(list(reader.objects())) == 3
        with pytest.raises(Unavailable), reading.write():
            pass
        with pytest.raises(Unavailable):
            reading.rewrite(everything, level=1, rebuild=lambda _: None)


def test_opened_for_reading_first(directory: Path) -> None:
    """Opening for writing after opening for reading, in one process, gives both what they ask for."""
    LmdbStore.open(directory, TABLES, create=True, settings=QUICK).close()
    with LmdbStore.open(directory, TABLES, read_only=True) as reading, LmdbStore.open(directory, TABLES) as writing:
        with writing.write() as writer:
            writer.put(sample_objects(3))
        with reading.read() as reader:
            assert len(list(reader.objects())) == 3


def test_opening_for_reading_waits_for_nobody(directory: Path) -> None:
    """While another process writes, a store opens for reading at once, and a writer is told Busy in time."""
    open_store(directory).close()
    with start("hold_lock", directory) as holder:
        assert line(holder) == "held"
        with LmdbStore.open(directory, TABLES, read_only=True) as reading, reading.read() as reader:
            assert list(reader.objects()) == []
        with pytest.raises(Busy):
            LmdbStore.open(directory, TABLES, timeout=0.05)
        holder.communicate("")
    with LmdbStore.open(directory, TABLES, timeout=0.05) as store, store.read() as reader:
        assert len(list(reader.objects())) == len(group(77, 0))


def test_busy_in_time(directory: Path) -> None:
    """A store that is open asks for the lock for as long as it was told to."""
    with open_store(directory, timeout=0.05) as store, start("hold_lock", directory) as holder:
        assert line(holder) == "held"
        with pytest.raises(Busy), store.write():
            pass
        holder.communicate("")
        with store.write() as writer:
            writer.put(sample_objects(1))


def test_busy_threads(directory: Path) -> None:
    """A thread that waits for another one too long is told Busy."""
    with open_store(directory, timeout=0.02) as store:
        inside, done = threading.Event(), threading.Event()

        def hold() -> None:
            with store.write():
                inside.set()
                done.wait(5)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(5)
        with pytest.raises(Busy), store.write():
            pass
        done.set()
        thread.join()


def test_a_segment_that_is_gone_with_its_rows_is_a_gap(store: LmdbStore) -> None:
    """Addresses that nothing has between those of others are told, though no row of the index is left to miss them."""
    blobs = [make_object(1, b"%d" % number) for number in range(3)]
    for blob in blobs:
        with store.write() as writer:
            writer.put([blob])
    with store.write() as writer:
        gone = writer.address(blobs[1].id)
        assert gone is not None
        writer.raw.delete(address_bytes(gone), db=writer.env.segments)
        writer.raw.delete(INDEX, index_row(blobs[1].id, gone), db=writer.env.rows)
    assert [code for code, _, _ in store.verify()] == ["gap"]


def test_an_object_in_a_lane_of_others_is_told(store: LmdbStore) -> None:
    """An object that lies where its kind and size do not belong is reported."""
    stray = make_object(1, b"stray")
    with store.write() as writer:
        writer.raw.put(address_bytes(FIRST[2]), to_value(FULL, 0, 1, compress(columns([stray]))), db=writer.env.segments)
        writer.raw.put(INDEX, index_row(stray.id, FIRST[2]), db=writer.env.rows)
    assert [code for code, _, _ in store.verify()] == ["lane"]


def test_a_store_is_opened_for_writing_during_a_rewrite(store: LmdbStore, directory: Path) -> None:
    """Who opens a store does not wait for a rewrite, and may write when it is done."""
    program = "import sys; from runstore.store.lmdb import LmdbStore; print(LmdbStore.open(sys.argv[1], timeout=0).handle.env.writable)"
    opened: list[bytes] = []

    def order(reader: Reader) -> list[int]:
        opened.append(subprocess.check_output([sys.executable, "-c", program, directory]))
        return everything(reader)

    store.rewrite(order, level=1, rebuild=lambda _: None)
    assert opened == [b"True\n"]


@pytest.mark.parametrize(("step", "generation"), [("copied", 0), ("marked", 1), ("current", 1)])
def test_an_open_store_follows_a_rewrite_that_died(store: LmdbStore, directory: Path, step: str, generation: int) -> None:
    """Who had the old file open reads and writes the one in force, though a crash left the old one in its place."""
    with store.write() as writer:
        writer.put(group(1, 0))
    run("crash_in_rewrite", directory, step, code=9)
    with store.read() as reader:
        assert reader.generation == generation
        assert [reader.get(item.id) for item in group(1, 0)] == group(1, 0)
    with store.write() as writer:
        assert writer.generation == generation


def test_a_fork_with_everything_open(directory: Path) -> None:
    """Parent and child go on after a fork inside a reader and a writer; the child does not touch what it inherited."""
    lines = run("fork_and_go_on", directory)
    assert lines == ["child ok", "parent ok"]
    assert run("read_all", directory)[0].startswith("whole")


def test_without_permission() -> None:
    """A store that may not be written is read, and writing is Unavailable."""
    above = Path(tempfile.mkdtemp())
    try:
        above.chmod(0o755)
        directory = above / "store"
        with open_store(directory) as store, store.write() as writer:
            writer.put(sample_objects(5))
        for path in directory.iterdir():
            path.chmod(0o444)
        directory.chmod(0o555)
        assert run("use_without_permission", directory) == ["5", "read-only"]
    finally:
        directory.chmod(0o755)
        shutil.rmtree(above)


def test_a_newer_store_format(store: LmdbStore, directory: Path) -> None:
    """A store that says a later format, in its settings or in its data, is refused with that kind."""
    with store.write() as writer:
        writer.raw.put(b"format", b"2", db=writer.env.meta)
    store.close()
    with pytest.raises(Refused) as caught:
        LmdbStore.open(directory, TABLES)
    assert caught.value.kind == "newer-format"
    (directory / place.SETTINGS).write_text("# made later\nformat = 2\n")
    with pytest.raises(Refused) as caught:
        LmdbStore.open(directory, TABLES)
    assert caught.value.kind == "newer-format"


def test_a_new_table_in_an_old_store(store: LmdbStore, directory: Path) -> None:
    """A table that a later program brings is made when the store is opened for writing, and empty when it is opened for reading."""
    store.close()
    tables = (*TABLES, Table("later"), Table("later_rows", 3))
    with LmdbStore.open(directory, tables, read_only=True) as reading, reading.read() as reader:
        assert reader.value("later", b"k") is None
        assert list(reader.rows("later_rows")) == []
    with LmdbStore.open(directory, tables, settings=QUICK) as writing:
        with writing.write() as writer:
            writer.set_value("later", b"k", b"v")
        with writing.read() as reader:
            assert reader.value("later", b"k") == b"v"
    with LmdbStore.open(directory, TABLES) as old, old.read() as reader, pytest.raises(InvalidInput):
        reader.value("later", b"k")


def test_a_removed_store_is_noticed(store: LmdbStore, directory: Path) -> None:
    """When the directory is replaced by another store under an open one, writes go where the path leads, not into the removed file."""
    with store.write() as writer:
        writer.put(sample_objects(3))
    shutil.rmtree(directory)
    run("add_groups", directory, 5, 2)
    with store.write() as writer:
        writer.put([sample_object(1)])
    with store.read() as reader:
        assert reader.get(group(5, 1)[0].id) == group(5, 1)[0]
        assert reader.address(sample_object(2).id) is None


def test_a_removed_store_is_made_anew(store: LmdbStore, directory: Path) -> None:
    """When a store is removed and made again at its place, a store object from before and a new one share the new store and its lock."""
    with store.write() as writer:
        writer.put(sample_objects(3))
    shutil.rmtree(directory)
    with LmdbStore.open(directory, TABLES, create=True, settings=QUICK, timeout=0.05) as again:
        with again.read() as reader:
            assert list(reader.objects()) == []
        with store.write() as writer:
            writer.put(sample_objects(2))
        with start("hold_lock", directory) as holder:
            assert line(holder) == "held"
            for one in (again, store):
                one._timeout = 0.05
                with pytest.raises(Busy), one.write():
                    pass
            holder.communicate("")
        with again.read() as reader:
            assert reader.get(sample_object(1).id) == sample_object(1)


def test_a_store_that_is_gone(store: LmdbStore, directory: Path) -> None:
    """When the directory is removed under an open store, every use says that there is none."""
    shutil.rmtree(directory)
    with pytest.raises(NoStore), store.read():
        pass
    with pytest.raises(NoStore), store.write():
        pass


def test_a_process_that_read_current_too_early(store: LmdbStore, directory: Path) -> None:
    """CURRENT that names a file which moved, or an older one, leads to the file in force, and is mended."""
    with store.write() as writer:
        writer.put(sample_objects(4))
    old = (directory / "data-000001").read_bytes()
    store.rewrite(everything, level=1, rebuild=lambda _: None)
    store.close()
    (directory / "data-000001").write_bytes(old)  # as it was just before the mark: not marked, and not in force
    with LmdbStore.open(directory, TABLES, settings=QUICK) as again:
        with again.read() as reader:
            assert reader.generation == 1
        assert sorted(path.name for path in directory.glob("data-*")) == ["data-000002", "data-000002-lock"]


def test_an_interrupt_just_after_the_move(store: LmdbStore, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewrite that is interrupted when the mark already stands has moved the store: nothing is lost, and the next use goes on there."""
    with store.write() as writer:
        writer.put(sample_objects(4))
    mark = rewrite._mark

    def interrupted(old: Env, path: str) -> None:
        mark(old, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(rewrite, "_mark", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.rewrite(everything, level=1, rebuild=lambda _: None)
    with store.write() as writer:
        writer.put(sample_objects(4, 4))
    with store.read() as reader:
        assert reader.generation == 1
        assert [reader.get(item.id) for item in sample_objects(8)] == sample_objects(8)
    store.close()
    LmdbStore.open(directory, TABLES).close()
    assert sorted(path.name for path in directory.glob("data-*")) == ["data-000002", "data-000002-lock"]


def test_left_over_temporary_files(store: LmdbStore, directory: Path) -> None:
    """Temporary files of dead processes are removed when the store is opened; a living one's stay."""
    store.close()
    (directory / f".tmp-CURRENT-{os.getpid()}").write_bytes(b"")
    (directory / ".tmp-CURRENT-999999999").write_bytes(b"")
    LmdbStore.open(directory, TABLES, settings=QUICK).close()
    assert [path.name for path in directory.glob(".tmp-*")] == [f".tmp-CURRENT-{os.getpid()}"]


def test_a_smaller_map_where_the_system_grants_no_more(directory: Path) -> None:
    """With too little address space for the map that is asked for, a smaller one is taken."""
    with LmdbStore.open(directory, TABLES, create=True, settings=Settings(durable=False, map_size=1 << 47)) as store:
        with store.write() as writer:
            writer.put(sample_objects(5))
        assert store.handle.env.raw.info()["map_size"] < 1 << 47


def test_ids_that_begin_alike(store: LmdbStore) -> None:
    """The first 8 bytes of an id, which the index holds, are never taken for the id: not when reading, and not when adding."""
    stored, other, new = sample_objects(3)
    with store.write() as writer:
        one, two = writer.put([stored])[0][0], writer.put([other])[0][0]
        rows = writer.raw.cursor(writer.env.rows)
        # No two such objects are known, so the index is made to say it of some that do not begin alike.
        rows.put(b"index", stored.id[:8] + two.to_bytes(5, "big"))
        rows.put(b"index", new.id[:8] + one.to_bytes(5, "big"))
    with store.read() as reader:
        assert reader.get(stored.id) == stored
        assert reader.address(stored.id) == one
        with pytest.raises(NotFound):
            reader.get(other.id[:8] + bytes(24))
        with pytest.raises(Damaged):
            reader.get(new.id)
    with store.write() as writer:
        assert [item for _, item in writer.put([new])] == [new]
    with store.read() as reader:
        assert reader.get(new.id) == new


def test_objects_that_are_said_not_to_be_here(store: LmdbStore) -> None:
    """An index row of lane 15, kept for later versions, means not stored: no error, no damage, and the object can be added."""
    item = sample_object(3)
    with store.write() as writer:
        writer.raw.cursor(writer.env.rows).put(b"index", item.id[:8] + ((15 << 36) + 5).to_bytes(5, "big"))
    with store.read() as reader:
        assert reader.address(item.id) is None
        assert reader.starting(item.id.hex()[:6]) == []
    assert list(store.verify()) == []
    with store.write() as writer:
        assert len(writer.put([item])) == 1
    with store.read() as reader:
        assert reader.get(item.id) == item
        assert reader.starting(item.id.hex()[:6]) == [item.link]


def test_readers_that_died_are_cleared(directory: Path) -> None:
    """The place of a reader that was killed is given back when the store is opened."""
    open_store(directory).close()
    for _ in range(3):
        with start("hold_lock", directory) as holder:
            assert line(holder) == "held"
            holder.kill()
    with open_store(directory) as store:
        assert store.handle.env.raw.reader_check() == 0


def test_a_store_on_a_network_file_system_warns(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a store whose device the system lists as a network mount warns once; a local one does not."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / {tmp_path} rw shared:1 - nfs4 server:/export rw\n"
    mounts.write_text(f"1 1 0:1 / /proc rw - proc proc rw\n{line}")
    assert place.network_file_system(str(tmp_path), str(mounts)) == "nfs4"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_store(directory).close()
    monkeypatch.setattr(place, "network_file_system", lambda _: "nfs4")
    with pytest.warns(place.NetworkFileSystem, match="nfs4"):
        open_store(directory).close()


def test_values_and_rows_stay_apart_from_our_own(directory: Path) -> None:
    """A table of a higher layer may have the name of one of ours."""
    tables = (Table("meta"), Table("segments"), Table("index", 4), Table("recent", 4))
    with LmdbStore.open(directory, tables, create=True, settings=QUICK) as store:
        with store.write() as writer:
            writer.set_value("meta", b"format", b"9")
            writer.set_value("segments", b"k", b"v")
            writer.add_rows("index", [b"abcd"])
            writer.add_rows("recent", [b"efgh"])
            writer.put(sample_objects(10))
        with store.read() as reader:
            assert (reader.value("meta", b"format"), list(reader.rows("index"))) == (b"9", [b"abcd"])
            assert len(list(reader.objects())) == 10
        assert list(store.verify()) == []


def test_stat_says_where_the_bytes_are(store: LmdbStore) -> None:
    """`stat` counts by lane, tier and table."""
    for i in range(0, 100, 4):
        with store.write() as writer:
            writer.put(sample_objects(4, i))
            writer.set_value(NAMES.name, b"%d" % i, b"")
            writer.add_rows(PAIRS.name, [b"%06d" % i])
    counts = store.stat()
    assert sum(lane["objects"] for lane in counts["lanes"].values()) == counts["objects"] == 100
    assert sum(counts["segments"].values()) == sum(lane["segments"] for lane in counts["lanes"].values())
    assert counts["pages"]["index"]["entries"] == 100
    assert counts["pages"][NAMES.name]["entries"] == counts["pages"][PAIRS.name]["entries"] == 25
    assert counts["file_bytes"] >= sum(lane["stored_bytes"] for lane in counts["lanes"].values())
