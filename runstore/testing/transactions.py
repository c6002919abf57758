"""Transactions: all or nothing, snapshots that do not move, one writer at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runstore.errors import Busy, Closed
from runstore.store.protocol import Store
from runstore.testing.base import Suite, add, put_and_fail
from runstore.testing.samples import NAMES, PAIRS, TABLES, sample_object, sample_objects


class TransactionTests(Suite):
    """What is committed is whole, lasting and seen at once; what is not leaves no trace."""

    def test_rolled_back_is_as_if_it_had_not_been(self, store: Store) -> None:
        """A transaction whose context raises leaves nothing behind: no objects, values or rows; and its addresses are used again."""
        first, lost, second = sample_objects(10), sample_objects(300, 100), sample_objects(300, 500)
        add(store, first)
        put_and_fail(store, lost)
        with store.read() as reader:
            assert [reader.address(item.id) for item in lost] == [None] * len(lost)
            assert reader.value(NAMES.name, b"k") is None
            assert list(reader.rows(PAIRS.name)) == []
        addresses = add(store, second)
        with store.read() as reader:
            assert [reader.at(addresses[item.id]) for item in second] == second
            assert [reader.get(item.id) for item in first] == first

    def test_a_batch_outlives_a_rollback(self, store: Store) -> None:
        """A batch whose transaction was rolled back can be put in the next."""
        objects = sample_objects(8)
        batch = store.prepare(objects)
        put_and_fail(store, batch)
        with store.write() as writer:
            assert len(writer.put(batch)) == 8
        with store.read() as reader:
            assert [reader.get(item.id) for item in objects] == objects

    def test_a_writer_reads_what_it_put(self, store: Store) -> None:
        """Objects are there for the writer before they are committed, and for nobody else."""
        objects = sample_objects(40)
        with store.write() as writer:
            stored = writer.put(objects)
            assert [writer.at(address) for address, _ in stored] == [item for _, item in stored]
            assert len(list(writer.objects())) == 40
            with store.read() as reader:
                assert reader.address(objects[0].id) is None
                assert list(reader.objects()) == []

    def test_a_snapshot_does_not_move(self, store: Store) -> None:
        """What is committed after a snapshot was opened is not in it, though other snapshots have read it."""
        old, new = sample_objects(50), sample_objects(50, 100)
        add(store, old)
        with store.read() as before:
            addresses: dict[bytes, int] = {}
            for i in range(0, 50, 2):
                addresses.update(add(store, new[i : i + 2]))
            with store.write() as writer:
                writer.set_value(NAMES.name, b"k", b"v")
                writer.add_rows(PAIRS.name, [b"aaaaaa"])
            with store.read() as after:
                assert [after.get(item.id) for item in new] == new
                assert [after.at(addresses[item.id]) for item in new] == new
            assert [before.address(item.id) for item in new] == [None] * 50
            assert [item for _, item in before.objects()] == [item for _, item in sorted((before.address(o.id), o) for o in old)]
            assert before.value(NAMES.name, b"k") is None
            assert list(before.rows(PAIRS.name)) == []

    def test_nested_reads(self, store: Store) -> None:
        """Snapshots may be open at once in one thread, and each sees its own moment."""
        with store.read() as first:
            add(store, sample_objects(5))
            with store.read() as second:
                assert len(list(second.objects())) == 5
            assert list(first.objects()) == []

    def test_a_reader_after_its_end(self, store: Store) -> None:
        """A reader or writer used after its context raises Closed."""
        item = sample_object(1)
        add(store, [item])
        with store.read() as reader:
            pass
        with store.write() as writer:
            pass
        for ended in (reader, writer):
            with pytest.raises(Closed):
                ended.get(item.id)
            with pytest.raises(Closed):
                ended.at(1)
            with pytest.raises(Closed):
                list(ended.rows(PAIRS.name))
            with pytest.raises(Closed):
                list(ended.objects())
        with pytest.raises(Closed):
            writer.set_value(NAMES.name, b"k", b"v")
        with pytest.raises(Closed):
            writer.put([sample_object(2)])

    def test_a_closed_store(self, place: Path) -> None:
        """A closed store raises Closed at every use; closing again is no error."""
        store = self.open_store(place, TABLES)
        store.close()
        store.close()
        with pytest.raises(Closed), store.read():
            pass
        with pytest.raises(Closed), store.write():
            pass
        with pytest.raises(Closed):
            store.prepare([])
        with pytest.raises(Closed):
            store.stat()
        with pytest.raises(Closed):
            store.known(bytes(32))

    def test_a_second_transaction_in_one_thread(self, store: Store) -> None:
        """A thread that writes and asks for another write transaction is told Busy at once, and can go on."""
        with store.write() as writer:
            with pytest.raises(Busy), store.write():
                pass
            writer.set_value(NAMES.name, b"k", b"v")
        with store.read() as reader:
            assert reader.value(NAMES.name, b"k") == b"v"

    def test_threads_write_one_after_another(self, store: Store) -> None:
        """Eight threads that count in one value lose no count."""

        def count() -> None:
            for _ in range(20):
                with store.write() as writer:
                    writer.set_value(NAMES.name, b"n", b"%d" % (int(writer.value(NAMES.name, b"n") or 0) + 1))

        _run(*[count] * 8)
        with store.read() as reader:
            assert reader.value(NAMES.name, b"n") == b"160"

    def test_threads_add_and_read(self, store: Store) -> None:
        """Threads that add, and read what they added, lose nothing and see nothing else."""
        failures: list[str] = []

        def work(part: int) -> None:
            mine = sample_objects(60, part * 1000)
            for i in range(0, 60, 3):
                add(store, [*mine[i : i + 3], *sample_objects(3, 50_000 + i)])
                with store.read() as reader:
                    failures.extend(item.id.hex() for item in mine[: i + 3] if reader.get(item.id) != item)

        _run(*[lambda part=part: work(part) for part in range(4)])
        assert failures == []
        with store.read() as reader:
            assert len(list(reader.objects())) == 4 * 60 + 60

    def test_what_was_committed_is_there_when_opened_again(self, place: Path) -> None:
        """Objects, values and rows outlive the store object."""
        if not self.persistent:
            pytest.skip("this engine keeps nothing")
        objects = sample_objects(100)
        store = self.open_store(place, TABLES)
        addresses = add(store, objects)
        with store.write() as writer:
            writer.set_value(NAMES.name, b"k", b"v")
            writer.add_rows(PAIRS.name, [b"aaaaaa"])
        store.close()
        store = self.open_store(place, TABLES)
        with store.read() as reader:
            assert {item.id: reader.address(item.id) for item in objects} == addresses
            assert [reader.get(item.id) for item in objects] == objects
            assert (reader.value(NAMES.name, b"k"), list(reader.rows(PAIRS.name))) == (b"v", [b"aaaaaa"])
        assert add(store, objects) == {}
        store.close()


def _run(*jobs: object) -> None:
    failed: list[BaseException] = []

    def guarded(job: object) -> None:
        try:
            job()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - carried into the test's thread
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
