"""Rewriting, time marks and leases: what packing and collecting stand on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from runstore.errors import NotFound
from runstore.store.protocol import LANE_SHIFT, Reader, Store, Writer
from runstore.testing.base import Suite, add
from runstore.testing.samples import COUNTS, INDEX, NAMES, PAIRS, TABLES, sample_objects

HOUR = 3_600_000_000


def everything(reader: Reader) -> Iterable[int]:
    """An order that keeps all objects where they stand to one another."""
    return [address for address, _ in reader.objects()]


def nothing_to_rebuild(writer: Writer) -> None:
    """Leave the derived tables empty."""


class MovingTests(Suite):
    """Rewriting moves a store and loses nothing it was told to keep; marks and leases say what is young."""

    def _filled(self, store: Store, count: int = 120) -> None:
        for i in range(0, count, 6):
            add(store, sample_objects(6, i))
        with store.write() as writer:
            writer.set_value(NAMES.name, b"k", b"v")
            writer.set_value(COUNTS.name, b"old", b"1")
            writer.add_rows(PAIRS.name, [b"%06d" % n for n in range(500)])
            writer.add_rows(INDEX.name, [b"old "])

    def test_a_rewrite_keeps_what_it_is_told_to(self, store: Store) -> None:
        """Objects in the order stay readable under new addresses; those left out are gone."""
        self._filled(store)
        objects = sample_objects(120)
        keep = {item.id for item in objects[::2]}
        counts = store.rewrite(
            lambda reader: [address for address, item in reader.objects() if item.id in keep], level=3, rebuild=nothing_to_rebuild
        )
        assert (counts["objects_before"], counts["objects_after"]) == (120, 60)
        with store.read() as reader:
            assert [reader.get(item.id) for item in objects[::2]] == objects[::2]
            assert [reader.address(item.id) for item in objects[1::2]] == [None] * 60
            with pytest.raises(NotFound):
                reader.get(objects[1].id)
            assert len(list(reader.objects())) == 60
        assert list(store.verify()) == []

    def test_a_rewrite_puts_objects_in_the_order_given(self, store: Store) -> None:
        """Within a lane the new addresses follow the order, and an address given twice counts once."""
        self._filled(store)

        def backwards(reader: Reader) -> Iterable[int]:
            addresses = [address for address, _ in reader.objects()][::-1]
            return addresses + addresses[:5]

        with store.read() as reader:
            before = [item for _, item in reader.objects()]
        store.rewrite(backwards, level=3, rebuild=nothing_to_rebuild)
        with store.read() as reader:
            after = list(reader.objects())
        for lane in {address >> LANE_SHIFT for address, _ in after}:
            here = [item for address, item in after if address >> LANE_SHIFT == lane]
            assert here == [item for item in before[::-1] if item in here]

    def test_a_rewrite_copies_tables_and_rebuilds_derived_ones(self, store: Store) -> None:
        """Tables that are not derived come along; derived ones hold what `rebuild` puts there, which sees the new objects."""
        self._filled(store)

        def rebuild(writer: Writer) -> None:
            assert list(writer.rows(INDEX.name)) == []
            assert writer.value(COUNTS.name, b"old") is None
            writer.set_value(COUNTS.name, b"n", b"%d" % len(list(writer.objects())))
            writer.add_rows(INDEX.name, [b"new "])

        store.rewrite(everything, level=3, rebuild=rebuild)
        with store.read() as reader:
            assert reader.value(NAMES.name, b"k") == b"v"
            assert list(reader.rows(PAIRS.name)) == [b"%06d" % n for n in range(500)]
            assert dict(reader.items(COUNTS.name)) == {b"n": b"120"}
            assert list(reader.rows(INDEX.name)) == [b"new "]

    def test_a_rewrite_that_fails_changes_nothing(self, store: Store) -> None:
        """If `order` or `rebuild` raises, the store is as it was, and can be written."""
        self._filled(store)

        def failing(_: object) -> Iterable[int]:
            raise ZeroDivisionError

        def failing_late(writer: Writer) -> None:
            writer.add_rows(INDEX.name, [b"lost"])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.rewrite(failing, level=3, rebuild=nothing_to_rebuild)
        with pytest.raises(ZeroDivisionError):
            store.rewrite(everything, level=3, rebuild=failing_late)
        add(store, sample_objects(3, 500))
        with store.read() as reader:
            assert reader.generation == 0
            assert len(list(reader.objects())) == 123
            assert list(reader.rows(INDEX.name)) == [b"old "]

    def test_a_rewrite_begins_a_generation(self, store: Store) -> None:
        """The generation grows by one, and what was remembered or prepared before is not relied on."""
        objects = sample_objects(10)
        add(store, objects)
        batch = store.prepare(objects)
        assert all(store.known(item.id) for item in objects)
        store.rewrite(lambda reader: everything(reader)[:4], level=3, rebuild=nothing_to_rebuild)  # type: ignore[index]
        with store.write() as writer:
            assert writer.generation == 1
            assert len(writer.put(batch)) == 6
        with store.read() as reader:
            assert [reader.get(item.id) for item in objects] == objects

    def test_readers_finish_on_the_old_state(self, store: Store) -> None:
        """A snapshot opened before a rewrite goes on giving what it gave."""
        self._filled(store)
        objects = sample_objects(120)
        with store.read() as reader:
            half = iter(reader.objects())
            seen = [next(half) for _ in range(10)]
            store.rewrite(lambda _: [], level=3, rebuild=nothing_to_rebuild)
            add(store, sample_objects(50, 900))
            seen += half
            assert sorted(item.id for _, item in seen) == sorted(item.id for item in objects)
            assert [reader.get(item.id) for item in objects] == objects
            assert reader.generation == 0
        with store.read() as reader:
            assert len(list(reader.objects())) == 50

    def test_rewriting_again_and_again(self, place: Path) -> None:
        """Rewrites and adds may alternate; the store opens afterwards with all of it."""
        store = self.open_store(place, TABLES)
        for turn in range(4):
            add(store, sample_objects(20, turn * 20))
            store.rewrite(everything, level=1 + turn, rebuild=nothing_to_rebuild)
        if self.persistent:
            store.close()
            store = self.open_store(place, TABLES)
        with store.read() as reader:
            assert reader.generation == 4
            assert [reader.get(item.id) for item in sample_objects(80)] == sample_objects(80)
        store.close()

    def test_time_marks(self, store: Store) -> None:
        """`addresses_at` says what was there at a time: to the hour, never claiming an object to be older than it is."""
        start = 1_700_000_000_000_000
        added: list[tuple[int, int]] = []
        for step in range(8):
            now = start + step * HOUR // 2
            with store.write(now=now) as writer:
                added += [(now, address) for address, _ in writer.put(sample_objects(6, step * 6))]
        for time in range(start - HOUR, start + 6 * HOUR, HOUR // 4):
            bound = store.addresses_at(time)
            older = {address for _, address in added if address < bound[address >> LANE_SHIFT]}
            assert older <= {address for now, address in added if now < time}
            assert older >= {address for now, address in added if now < time - HOUR and now < added[-1][0] - HOUR}

    def test_a_clock_that_goes_back(self, store: Store) -> None:
        """A time before the last mark makes no mark, so nothing young ever counts as old."""
        with store.write(now=10 * HOUR) as writer:
            writer.put(sample_objects(3))
        with store.write(now=2 * HOUR) as writer:
            late = writer.put(sample_objects(3, 10))
        bound = store.addresses_at(9 * HOUR)
        assert all(address >= bound[address >> LANE_SHIFT] for address, _ in late)

    def test_what_is_added_without_a_time_is_never_old_too_early(self, store: Store) -> None:
        """Objects of a transaction that was told no time count as added just before the next that was, through a rewrite too."""
        with store.write(now=HOUR) as writer:
            writer.put(sample_objects(6))
        add(store, sample_objects(6, 100))
        untimed = {item.id for item in sample_objects(6, 100)}
        store.rewrite(everything, level=3, rebuild=nothing_to_rebuild)
        with store.read() as reader:
            bound = reader.addresses_at(1000 * HOUR)
            assert {item.id for address, item in reader.objects() if address >= bound[address >> LANE_SHIFT]} == untimed
        with store.write(now=20 * HOUR) as writer:
            writer.put(sample_objects(6, 200))
        for time, young in ((5 * HOUR, 12), (19 * HOUR, 12), (22 * HOUR, 0)):
            with store.read() as reader:
                bound = reader.addresses_at(time)
                assert len([address for address, _ in reader.objects() if address >= bound[address >> LANE_SHIFT]]) == young

    def test_time_marks_survive_a_rewrite(self, store: Store) -> None:
        """After a rewrite in another order, no object counts as older than it is."""
        for step in range(6):
            with store.write(now=(10 + 2 * step) * HOUR) as writer:
                writer.put(sample_objects(10, step * 10))
        born = {item.id: (10 + 2 * (n // 10)) * HOUR for n, item in enumerate(sample_objects(60))}
        store.rewrite(lambda reader: list(everything(reader))[::-1], level=3, rebuild=nothing_to_rebuild)
        with store.read() as reader:
            for time in range(9 * HOUR, 25 * HOUR, HOUR):
                bound = reader.addresses_at(time)
                for address, item in reader.objects():
                    assert born[item.id] < time or address >= bound[address >> LANE_SHIFT]

    def test_a_lease_protects_what_came_after(self, store: Store) -> None:
        """Until its context ends, a lease protects everything added since it began, through a rewrite too; afterwards nothing is."""
        far = 1_000 * HOUR
        with store.write(now=far - 10 * HOUR) as writer:
            old = writer.put(sample_objects(10))
        with store.write(now=far - HOUR):
            pass
        with store.lease(now=far, seconds=1_000_000):
            with store.write(now=far) as writer:
                writer.put(sample_objects(10, 100))
            since = {item.id for item in sample_objects(10, 100)}
            for _ in range(2):
                bound = store.protected_since(far)
                with store.read() as reader:
                    kept = {item.id for address, item in reader.objects() if address >= bound[address >> LANE_SHIFT]}
                assert kept == since
                store.rewrite(everything, level=3, rebuild=nothing_to_rebuild)
        with store.write(now=far + HOUR):
            pass
        bound = store.protected_since(far + HOUR)
        with store.read() as reader:
            assert all(address < bound[address >> LANE_SHIFT] for address, _ in reader.objects())
        assert len(old) == 10

    def test_a_lease_is_kept_through_rewrites(self, store: Store) -> None:
        """What was added under a lease is protected long after it ceased to be young, and where rewrites put it."""
        with store.write(now=HOUR) as writer:
            writer.put(sample_objects(10))
        with store.lease(now=2 * HOUR, seconds=1_000_000):
            with store.write(now=2 * HOUR) as writer:
                writer.put(sample_objects(10, 100))
            for hour in (10, 20):
                with store.write(now=hour * HOUR):
                    pass
            for _ in range(3):
                bound = store.protected_since(18 * HOUR, now=20 * HOUR)
                with store.read() as reader:
                    kept = {item.id for address, item in reader.objects() if address >= bound[address >> LANE_SHIFT]}
                assert kept == {item.id for item in sample_objects(10, 100)}
                store.rewrite(everything, level=3, rebuild=nothing_to_rebuild)

    def test_a_lease_ends_in_time(self, store: Store) -> None:
        """A lease protects nothing from a collector whose time is after its end."""
        with store.write(now=HOUR) as writer:
            writer.put(sample_objects(5))
        with store.lease(now=10 * HOUR, seconds=60):
            add(store, sample_objects(5, 50))
            with store.write(now=20 * HOUR):
                pass
            early, late = store.protected_since(10 * HOUR), store.protected_since(22 * HOUR)
            assert any(early[lane] < late[lane] for lane in late)
