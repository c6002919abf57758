"""Care of a store that was damaged: what was stored again is healed by a copy, what is lost is named and nothing is copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import runstore
from runstore.errors import Damaged
from runstore.maintenance.damage import unreadable
from runstore.model.ids import Object
from runstore.repo import Repo
from runstore.store.frames import columns, compress, objects_in
from runstore.store.lmdb import LmdbStore
from runstore.store.lmdb.values import from_value, open_value, to_value

RUNS = [{"prompt": f"prompt {number}", "history": [{"role": "user", "content": f"question {number}"}]} for number in range(30)]
DAY = 86_400_000_000
START = 1_767_268_800_000_000


class Clock:
    """A clock that stands still until it is moved."""

    now = START

    def __call__(self) -> int:
        return self.now


class Place:
    """A store with thirty runs, and ways to damage it while nobody has it open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()

    def open(self, *, create: bool = False) -> Repo:
        """Open the store."""
        return runstore.open(self.directory, create=create, actor="a", clock=self.clock)

    def segment(self, text: bytes | None = None) -> tuple[bytes, bytes]:
        """Return the first segment, or the first that holds a text, as it is stored."""
        with LmdbStore.open(self.directory) as store, store.read() as reader:
            for key, value in reader.raw.cursor(reader.env.segments).iternext():
                if text is None or text in open_value(value, int.from_bytes(key, "big")).content:
                    return bytes(key), bytes(value)
        raise AssertionError(text)

    def put_segment(self, key: bytes, value: bytes) -> None:
        """Replace a stored segment."""
        with LmdbStore.open(self.directory) as store, store.write() as writer:
            writer.raw.put(key, value, db=writer.env.segments)

    def break_frame(self) -> list[Object]:
        """Flip a bit at the head of the first frame, so that nothing in it can be read; return what was in it."""
        key, value = self.segment()
        head = len(value) - len(from_value(value).frame)
        self.put_segment(key, value[:head] + bytes([value[head] ^ 4]) + value[head + 1 :])
        return objects_in(open_value(value, int.from_bytes(key, "big")))

    def break_body(self, text: bytes = b"question 3") -> list[Object]:
        """Change the object that holds a text, in a frame that is sound; return what it was."""
        key, value = self.segment(text)
        stored = from_value(value)
        objects = objects_in(open_value(value, int.from_bytes(key, "big")))
        wrong = [one._replace(body=one.body.swapcase()) if text in one.body else one for one in objects]
        self.put_segment(key, to_value(stored.tier, stored.weight, stored.n, compress(columns(wrong))))
        return [one for one in objects if text in one.body]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A store with thirty runs, each on a ref of its own."""
    made = Place(tmp_path / "store")
    with made.open(create=True) as repo:
        record(repo)
    return made


def record(repo: Repo) -> None:
    """Record the runs; done again, it stores the same runs again and further executions."""
    repo.add_many(
        (run, {"output": f"answer {number}", "nonce": str(number), "started": START, "ref": f"r{number}"})
        for number, run in enumerate(RUNS)
    )


def codes(repo: Repo) -> list[str]:
    """Return the codes of what fsck finds."""
    return [found.code for found in repo.fsck()]


@pytest.mark.parametrize("breaking", [Place.break_frame, Place.break_body])
def test_damage_that_was_stored_again_is_packed_away(place: Place, breaking: Callable[[Place], list[Object]]) -> None:
    """Adding again heals; fsck says where the sound copies lie; pack leaves the damaged ones behind, and fsck is clean after it."""
    with place.open() as repo:
        before = {obj.id for obj in repo.dump()}
    breaking(place)
    with place.open() as repo:
        assert "unreadable" in codes(repo)
        record(repo)
        found = list(repo.fsck())
        assert {one.code for one in found} == {"damaged", "damaged-copy"}
        assert all("`runstore pack` drops the damaged one" in one.message for one in found if one.code == "damaged-copy")
        repo.pack()
        assert codes(repo) == []
        assert before < {obj.id for obj in repo.dump()}
        assert [entry.execution.nonce for entry in repo.log("r3")] == ["3", "3"]


def test_gc_leaves_damaged_copies_behind(place: Place) -> None:
    """Collecting counts the damaged copies as dead and drops them."""
    lost = place.break_frame()
    with place.open() as repo:
        record(repo)
        assert repo.gc(dry_run=True).dead == len(lost)
        assert repo.gc().dead == len(lost)
        assert codes(repo) == []


def test_pack_refuses_what_would_be_lost(place: Place) -> None:
    """Without a sound copy pack and gc refuse and name every object that is lost; the store stays as it was, and can be healed."""
    lost = place.break_frame()
    with place.open() as repo:
        for copying in (repo.pack, repo.gc):
            with pytest.raises(Damaged, match=f"{len(lost)} objects are damaged and would be lost") as refused:
                copying()
            assert all(one.id[:8].hex() + "…" in str(refused.value) for one in lost)
        record(repo)
        repo.pack()
        assert codes(repo) == []


def test_what_nothing_leads_to_is_collected_though_damaged(place: Place) -> None:
    """A damaged object that nothing leads to, older than the grace period, is no reason for gc to refuse; it is one for pack."""
    with place.open() as repo:
        repo.put("nobody's")
    place.clock.now += 30 * DAY
    (lost,) = place.break_body(b"nobody's")
    with place.open() as repo:
        with pytest.raises(Damaged, match=lost.id[:8].hex()):
            repo.pack()
        assert repo.gc().dead == 1
        assert codes(repo) == []


def test_what_is_young_is_not_given_up(place: Place) -> None:
    """Within the grace period a damaged object without a copy makes gc refuse, though nothing leads to it."""
    with place.open() as repo:
        repo.put("nobody's")
    (lost,) = place.break_body(b"nobody's")
    with place.open() as repo, pytest.raises(Damaged, match=lost.id[:8].hex()):
        repo.gc()


def test_damage_is_healed_from_another_store(place: Place, tmp_path: Path) -> None:
    """Objects of a store that has them, put into the damaged one, heal it."""
    other = Place(tmp_path / "other")
    place.break_frame()
    with other.open(create=True) as sound, place.open() as repo:
        record(sound)
        with repo.store.write() as writer:
            writer.put(sound.dump())
        repo.pack()
        assert codes(repo) == []


def test_a_damaged_store_is_reindexed(place: Place) -> None:
    """The indexes of what can be read are built, whatever else is damaged."""
    lost = place.break_frame()
    with place.open() as repo:
        repo.reindex()
        with repo.read() as reader:
            assert len(unreadable(reader)) == len(lost)
        assert {found.code for found in repo.fsck()} == {"damaged", "unreadable", "missing", "ref-to-nothing"} & set(codes(repo))
