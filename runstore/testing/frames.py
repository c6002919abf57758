"""Frames: what an engine keeps compressed together can be taken out whole, and put in whole."""

from __future__ import annotations

from runstore.model.ids import Object, make_object
from runstore.store import frames
from runstore.store.lanes import lane_for
from runstore.store.protocol import LANE_SHIFT, Store
from runstore.testing.base import Suite, add
from runstore.testing.samples import noise, sample_objects


def frame_of(objects: list[Object]) -> bytes:
    """Return the frame that holds these objects."""
    return frames.compress(frames.columns(objects))


class FrameTests(Suite):
    """What an engine does with frames."""

    def test_find_gives_place_and_object(self, store: Store) -> None:
        """What is here is found with its address; what is not is None."""
        objects = sample_objects(50)
        addresses = add(store, objects)
        with store.read() as reader:
            for item in objects:
                assert reader.find(item.id) == (addresses[item.id], item)
            assert reader.find(bytes(32)) is None

    def test_a_frame_holds_what_lies_at_its_addresses(self, store: Store) -> None:
        """Where an engine keeps frames, the one of an address opens and holds that object at its place."""
        add(store, sample_objects(200))
        with store.read() as reader:
            for address, item in reader.objects():
                stored = reader.frame(address)
                if stored is not None:
                    segment = frames.read_frame(stored.data, stored.objects, stored.first)
                    assert stored.first <= address < stored.first + stored.objects
                    assert segment.make(address - stored.first) == item

    def test_a_frame_that_is_put_is_there(self, store: Store) -> None:
        """Its objects are stored in order, at neighbouring addresses of their lane, and read back."""
        objects = [make_object(1, b"%d " % number + noise(number, 600)) for number in range(120)]
        with store.write() as writer:
            stored = writer.put_frame(0, frame_of(objects), objects)
        assert [item for _, item in stored] == objects
        first = stored[0][0]
        assert first >> LANE_SHIFT == lane_for(1, 600)
        assert [address for address, _ in stored] == list(range(first, first + len(objects)))
        with store.read() as reader:
            assert [reader.get(item.id) for item in objects] == objects
            assert list(reader.between(first, first + len(objects))) == list(stored)

    def test_what_is_there_is_not_put_again(self, store: Store) -> None:
        """A frame of which some objects are here brings the others."""
        objects = [make_object(1, b"%d " % number + noise(number, 600)) for number in range(120)]
        add(store, objects[:40])
        with store.write() as writer:
            stored = writer.put_frame(0, frame_of(objects), objects)
            again = writer.put_frame(0, frame_of(objects), objects)
        assert {item.id for _, item in stored} == {item.id for item in objects[40:]}
        assert list(again) == []

    def test_a_frame_in_the_wrong_lane_or_size_does_no_harm(self, store: Store) -> None:
        """Objects go where they belong, whatever lane a frame claims, and however small it is."""
        mixed = [make_object(1, noise(1, 20_000)), make_object(1, b"small"), make_object(3, b"\x92\x00\x90")]
        with store.write() as writer:
            stored = {item.id: address for address, item in writer.put_frame(2, frame_of(mixed), mixed)}
        assert [stored[item.id] >> LANE_SHIFT for item in mixed] == [1, 0, 2]
        with store.read() as reader:
            assert [reader.get(item.id) for item in mixed] == mixed

    def test_a_full_frame_of_two_lanes_is_taken_apart(self, store: Store) -> None:
        """A frame of the size of a full segment is not kept as it is where one of its objects belongs elsewhere."""
        mixed = [*(make_object(1, b"%d " % number + noise(number, 600)) for number in range(120)), make_object(3, b"\x92\x00\x90")]
        with store.write() as writer:
            stored = {item.id: address for address, item in writer.put_frame(0, frame_of(mixed), mixed)}
        assert [stored[item.id] >> LANE_SHIFT for item in mixed] == [0] * 120 + [2]
        assert list(store.verify()) == []

    def test_frames_and_single_objects_join_on(self, store: Store) -> None:
        """Single adds before and after a frame keep their addresses, and all is read back."""
        before, after = sample_objects(30), sample_objects(30, start=1000)
        framed = [make_object(1, b"%d " % number + noise(number, 600)) for number in range(120)]
        for item in before:
            add(store, [item])
        with store.write() as writer:
            writer.put_frame(0, frame_of(framed), framed)
        for item in after:
            add(store, [item])
        with store.read() as reader:
            assert {item.id for _, item in reader.objects()} == {item.id for item in (*before, *framed, *after)}
            for item in (*before, *framed, *after):
                assert reader.get(item.id) == item
        assert list(store.verify()) == []
