"""Objects: what is put can be got, found and listed, once."""

from __future__ import annotations

import pytest

from runstore.errors import InvalidInput, NotFound
from runstore.model.ids import make_object
from runstore.store.protocol import LANE_SHIFT, Store
from runstore.testing.base import Suite, add, put_and_fail
from runstore.testing.samples import noise, sample_object, sample_objects


class ObjectTests(Suite):
    """Objects go in once and come out whole."""

    def test_what_was_put_is_got_back(self, store: Store) -> None:
        """Every object comes back whole, by its id and by its address."""
        objects = sample_objects(300)
        addresses = add(store, objects)
        with store.read() as reader:
            for item in objects:
                assert reader.get(item.id) == item
                assert reader.address(item.id) == addresses[item.id]
                assert reader.at(addresses[item.id]) == item

    def test_an_empty_body_is_an_object(self, store: Store) -> None:
        """A body of no bytes is stored like any other."""
        empty = make_object(1, b"")
        add(store, [empty])
        with store.read() as reader:
            assert reader.get(empty.id) == empty

    def test_one_body_under_two_kinds_is_two_objects(self, store: Store) -> None:
        """The kind is part of the id, so a blob and a value of the same bytes stand side by side."""
        blob, value = make_object(1, b"\xc0"), make_object(2, b"\xc0")
        add(store, [blob, value])
        with store.read() as reader:
            assert (reader.get(blob.id).kind, reader.get(value.id).kind) == (1, 2)

    def test_large_bodies(self, store: Store) -> None:
        """Bodies around and above the sizes at which lanes and frames change come back whole."""
        sizes = [16383, 16384, 65535, 65536, 70_000, 1 << 20, (4 << 20) + 1, 9 << 20]
        objects = [make_object(1 + i % 6, noise(i, size)) for i, size in enumerate(sizes)]
        add(store, objects)
        with store.read() as reader:
            assert [reader.get(item.id).body == item.body for item in objects] == [True] * len(objects)

    def test_many_transactions_of_few_objects(self, store: Store) -> None:
        """Objects that came one by one, so that an engine may have joined them, all stay where they were said to be."""
        addresses: dict[bytes, int] = {}
        objects = sample_objects(400)
        for i in range(0, 400, 4):
            addresses.update(add(store, objects[i : i + 4]))
        with store.read() as reader:
            assert {item.id: reader.address(item.id) for item in objects} == addresses
            assert [reader.at(addresses[item.id]) for item in objects] == objects

    def test_putting_again_changes_nothing(self, store: Store) -> None:
        """What is there is not stored again, whether it comes as a batch, as objects, or twice in one call."""
        objects = sample_objects(20)
        add(store, objects)
        with store.write() as writer:
            assert list(writer.put(objects)) == []
            assert list(writer.put(store.prepare(objects))) == []
            new = sample_object(99)
            assert [item for _, item in writer.put([new, new, *objects])] == [new]
            assert list(writer.put([new])) == []
        with store.read() as reader:
            assert len(list(reader.objects())) == reader.count() == 21

    def test_a_batch_made_before_others_wrote(self, store: Store) -> None:
        """A batch prepared before another transaction stored part of it stores only the rest."""
        objects = sample_objects(12)
        batch = store.prepare(objects)
        add(store, objects[:5])
        with store.write() as writer:
            assert {item.id for _, item in writer.put(batch)} == {item.id for item in objects[5:]}
        with store.read() as reader:
            assert len(list(reader.objects())) == 12

    def test_two_batches_that_overlap_in_one_transaction(self, store: Store) -> None:
        """What the first batch brought is not stored again by the second."""
        objects = sample_objects(30)
        first, second = store.prepare(objects[:20]), store.prepare(objects[10:])
        with store.write() as writer:
            stored = [*writer.put(first), *writer.put(second)]
        assert sorted(item.id for _, item in stored) == sorted(item.id for item in objects)

    def test_put_gives_lanes_in_order(self, store: Store) -> None:
        """Addresses grow within a lane in the order given, and no address is given twice or is 0."""
        objects = sample_objects(50)
        with store.write() as writer:
            stored = list(writer.put(objects))
        addresses = [address for address, _ in stored]
        assert addresses == sorted(set(addresses))
        assert addresses[0] > 0
        for lane in {address >> LANE_SHIFT for address in addresses}:
            placed = [item for address, item in stored if address >> LANE_SHIFT == lane]
            assert placed == [item for item in objects if item in placed]

    def test_what_is_not_there(self, store: Store) -> None:
        """An id or an address that is not there is NotFound, and `address` says None."""
        add(store, sample_objects(3))
        missing = sample_object(1000)
        with store.read() as reader:
            assert reader.address(missing.id) is None
            with pytest.raises(NotFound):
                reader.get(missing.id)
            for address in (0, 4, 1 << LANE_SHIFT, (7 << LANE_SHIFT) + 1, 1 << 50):
                with pytest.raises(NotFound):
                    reader.at(address)

    def test_an_id_of_another_length(self, store: Store) -> None:
        """An id that is not 32 bytes is refused, also one that is the beginning of a stored id."""
        item = sample_object(1)
        add(store, [item])
        with store.read() as reader:
            for wrong in (b"", item.id[:8], item.id + b"\0"):
                with pytest.raises(InvalidInput):
                    reader.get(wrong)

    def test_objects_lists_all_in_order(self, store: Store) -> None:
        """`objects` yields everything once, by address."""
        objects = sample_objects(120)
        addresses = add(store, objects)
        with store.read() as reader:
            assert [(address, item.id) for address, item in reader.objects()] == sorted((at, name) for name, at in addresses.items())

    def test_between_keeps_to_its_bounds_and_lane(self, store: Store) -> None:
        """`between` yields first <= address < last, and nothing of another lane."""
        addresses: dict[bytes, int] = {}
        for i in range(0, 120, 3):
            addresses.update(add(store, sample_objects(3, i)))
        for lane in {address >> LANE_SHIFT for address in addresses.values()}:
            there = sorted(address for address in addresses.values() if address >> LANE_SHIFT == lane)
            with store.read() as reader:
                assert [address for address, _ in reader.between(there[3], there[-2])] == there[3:-2]
                assert [address for address, _ in reader.between(there[0], (lane + 1) << LANE_SHIFT)] == there
                assert [address for address, _ in reader.between(there[-1], 15 << LANE_SHIFT)] == there[-1:]
                assert list(reader.between(there[4], there[4])) == []

    def test_what_lies_beside_an_object(self, store: Store) -> None:
        """What is at hand beside an object is of its kind and lies where it is said to lie; nothing lies beside nothing."""
        objects = sample_objects(120)
        addresses = add(store, objects)
        with store.read() as reader:
            for wanted in objects:
                reader.get(wanted.id)
                for at, found in reader.beside(addresses[wanted.id]):
                    assert found.kind == wanted.kind
                    assert reader.find(found.id) == (at, found)
            assert not reader.beside(max(addresses.values()) + 1)

    def test_starting_finds_by_prefix(self, store: Store) -> None:
        """`starting` gives the links whose hex id has the prefix, sorted, of any length of prefix, up to the limit."""
        objects = sample_objects(600)
        add(store, objects)
        ids = sorted(item.id.hex() for item in objects)
        with store.read() as reader:
            for prefix in ("0", "f", "ff", "a1", ids[7][:3], ids[50][:16], ids[50][:17], ids[9], "f" * 64):
                expected = [name for name in ids if name.startswith(prefix)]
                assert [link.hex for link in reader.starting(prefix, 1000)] == expected
                assert [link.hex for link in reader.starting(prefix, 2)] == expected[:2]
            assert reader.starting(ids[3], 5)[0].kind == reader.get(bytes.fromhex(ids[3])).kind

    @pytest.mark.parametrize("prefix", ["", "g", "A1", "0x", "0" * 65])
    def test_starting_refuses_what_is_no_prefix(self, store: Store, prefix: str) -> None:
        """A prefix is 1 to 64 lower-case hex digits."""
        with store.read() as reader, pytest.raises(InvalidInput):
            reader.starting(prefix)

    def test_known_says_only_what_is_stored(self, store: Store) -> None:
        """`known` is never true for what is not committed."""
        item = sample_object(5)
        batch = store.prepare([item])
        assert not store.known(item.id)
        put_and_fail(store, batch)
        assert not store.known(item.id)

    def test_next_addresses(self, store: Store) -> None:
        """`next_addresses` says where the next object of each lane will lie."""
        with store.write() as writer:
            before = writer.next_addresses()
            stored = writer.put(sample_objects(9))
            after = writer.next_addresses()
        for lane, address in before.items():
            here = [at for at, _ in stored if at >> LANE_SHIFT == lane]
            assert here == list(range(address, after[lane]))

    def test_stat_counts_objects(self, store: Store) -> None:
        """`stat` counts objects and the bytes of their bodies, in all and by kind."""
        objects = sample_objects(60)
        add(store, objects)
        counts = store.stat()
        assert (counts["objects"], counts["bytes"]) == (60, sum(len(item.body) for item in objects))
        assert counts["kinds"]["blob"] == {"objects": 10, "bytes": sum(len(item.body) for item in objects if item.kind == 1)}

    def test_verify_finds_nothing_in_a_whole_store(self, store: Store) -> None:
        """A store that is whole gives no finding, and every object is counted."""
        for i in range(0, 200, 5):
            add(store, sample_objects(5, i))
        counted: list[int] = []
        assert list(store.verify(progress=counted.append)) == []
        assert sum(counted) == 200
