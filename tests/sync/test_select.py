"""Selecting against plain closures: nothing that is lacking is left out, little that is had is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore import refs
from runstore.model.ids import Link
from runstore.runs.tables import INDEX_STATE
from runstore.store.protocol import Reader
from runstore.sync.marks import Marks
from runstore.sync.select import select
from runstore.sync.visible import mark_reachable
from runstore.sync.whole import whole_store
from runstore.testing.machines import Machine


def closure(reader: Reader, tips: list[bytes]) -> set[int]:
    """Return the addresses of all that the tips lead to."""
    marks = Marks()
    mark_reachable(reader, [reader.get(tip).link for tip in tips], marks)
    return set(marks)


def conversations(counts: list[int]) -> tuple[Machine, list[Link]]:
    """Return a machine with conversations taking turns, and all executions in order."""
    machine = Machine(1)
    made: list[Link] = []
    for turn in range(max(counts)):
        for number, count in enumerate(counts):
            if turn < count:
                made.append(machine.say(f"talk-{number}"))
    return machine, made


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 14), min_size=1, max_size=3), st.data())
def test_what_is_lacking_is_selected(counts: list[int], data: st.DataObject) -> None:
    """Whatever is wanted and had, the selection holds all of the difference and nothing outside the wanted closure."""
    machine, made = conversations(counts)
    wanted = [one.id for one in data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))]
    had = [one.id for one in data.draw(st.lists(st.sampled_from(made), max_size=3))]
    with machine.store.read() as reader:
        chosen = set(select(reader, wanted, had).addresses)
        assert closure(reader, wanted) - closure(reader, had) <= chosen <= closure(reader, wanted)


def test_one_more_turn_selects_only_what_it_brings() -> None:
    """Of a conversation of 300 turns the next one selects its own objects, and no more."""
    machine = Machine(1)
    before = machine.talk(300)
    after = machine.say()
    with machine.store.read() as reader:
        chosen = set(select(reader, [after.id], [before.id]).addresses)
        assert chosen == closure(reader, [after.id]) - closure(reader, [before.id])


def test_marks_hold_what_was_added() -> None:
    """A set of addresses as bitmaps: members once, lane by lane in order."""
    marks = Marks()
    addresses = [1, 9, 8, 1 << 36 | 5, 2 << 36 | 70_000, 9]
    assert [marks.add(one) for one in addresses] == [True] * 5 + [False]
    assert list(marks) == [1, 8, 9, 1 << 36 | 5, 2 << 36 | 70_000]
    marks.discard(8)
    assert 8 not in marks
    assert len(marks) == 4


@given(st.sets(st.integers(4000, 4200)), st.integers(4000, 4200), st.integers(1, 200))
def test_marks_know_whole_ranges(members: set[int], first: int, count: int) -> None:
    """A range is held if each of its addresses is, also across the pages of the bitmap; one that was added is."""
    marks = Marks()
    marks.update(members)
    assert marks.holds_range(first, count) == members.issuperset(range(first, first + count))
    other = Marks()
    other.add_range(first, count)
    assert other.holds_range(first, count)
    assert not other.holds_range(first, count + 1)


@pytest.mark.parametrize("current", [True, False])
def test_a_whole_store_is_recognised(tmp_path: Path, current: bool) -> None:
    """With the derived tables and without them: all is sent in one go if all refs are wanted and nothing lies beside what they lead to."""
    machine = Machine(1, tmp_path / "store")
    machine.talk(5, "a")
    machine.talk(40, "b")
    machine.repo.tag("v1", "a")
    if not current:
        with machine.store.write() as writer:
            writer.set_value(INDEX_STATE.name, b"version", bytes(4))
    with machine.store.read() as reader:
        tips = [ref.target.id for ref in refs.each(reader)]
        whole = whole_store(reader, tips)
        assert whole is not None
        assert set(whole) == closure(reader, tips) == {address for address, _ in reader.objects()}
        assert len(whole) == reader.count()
        assert whole_store(reader, tips[:1]) is None
    machine.repo.put("a value that nothing leads to")
    with machine.store.read() as reader:
        assert whole_store(reader, tips) is None
    machine.close()


def test_an_execution_that_nothing_leads_to_is_not_sent(tmp_path: Path) -> None:
    """After a ref was set back, a clone does not bring what it led to before, with or without a memory of it."""
    machine = Machine(1, tmp_path / "store")
    machine.talk(3)
    machine.repo.set_ref("main", "main~1")
    with machine.store.read() as reader:
        assert whole_store(reader, [machine.repo_ref("main").id]) is None
        assert len(select(reader, [machine.repo_ref("main").id]).addresses) < reader.count()
    machine.close()
