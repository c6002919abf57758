"""Partial clones: what is left out is promised, told from what is lost, and comes when it is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from runstore.errors import InvalidInput, NotFound, Refused
from runstore.maintenance.fsck import fsck
from runstore.model.ids import Kind
from runstore.runs import lookup
from runstore.runs.absence import PROMISED, absence, absences, explain, mark_absent
from runstore.runs.index import rebuild
from runstore.store.protocol import Reader
from runstore.sync.bundle import write_bundle
from runstore.sync.channel import LocalChannel
from runstore.sync.connect import Connect
from runstore.sync.endpoint import Endpoint
from runstore.sync.messages import Message
from runstore.sync.missing import fetch_missing
from runstore.sync.partial import Omission, omission
from runstore.sync.remote import Remote
from runstore.testing.machines import BEGIN, Machine

OUTPUT, DOCUMENTS, BLOBS = (Omission(without=frozenset((name,))) for name in ("output", "documents", "blobs"))


def there(machine: Machine) -> Connect:
    """Return what opens a channel to a machine."""
    endpoint = Endpoint(machine.store, now=machine.now, actor="peer")
    return lambda: LocalChannel(endpoint.answer)


@pytest.fixture
def origin() -> Machine:
    """A machine with ten turns, documents and an image."""
    machine = Machine(1)
    documents = [{"title": "a", "text": "all about a"}, {"title": "b", "text": "all about b"}]
    for _ in range(9):
        machine.say(documents=documents)
    machine.repo.add({"model": {"name": "m"}, "history": [{"role": "user", "image": b"an image"}]}, output="a bird", ref="main")
    return machine


def clone(origin: Machine, left_out: Omission) -> Machine:
    """Return a machine that fetched from the origin, less something."""
    made = Machine(2)
    made.fetch(there(origin), omission=left_out)
    return made


def rows(reader: Reader) -> dict[str, list[bytes]]:
    """Return the rows of the tables that lead from an object to others."""
    return {name: sorted(reader.rows(name)) for name in ("referrers", "run_executions", "generations")}


@pytest.mark.parametrize(
    "left_out",
    [
        OUTPUT,
        DOCUMENTS,
        BLOBS,
        Omission(depth=3),
        Omission(since=BEGIN + 7 + 5_000_000),
        Omission(depth=1, without=frozenset(("output", "blobs"))),
    ],
)
def test_what_was_left_out_comes_when_it_is_asked_for(origin: Machine, left_out: Omission) -> None:
    """A partial clone lacks something, fsck finds nothing lost in it, and after fetching what is missing it equals the origin."""
    ours = clone(origin, left_out)
    assert ours.ids() < origin.ids()
    assert list(fsck(ours.store)) == []
    with Remote(there(origin)) as remote:
        fetched = fetch_missing(ours.store, remote, now=ours.now)
    assert fetched.new > 0
    assert ours.ids() == origin.ids()
    with ours.store.read() as reader:
        assert list(absences(reader)) == []
    assert list(fsck(ours.store)) == []


def test_the_tables_are_those_of_a_whole_clone(origin: Machine) -> None:
    """When what was left out has come, the derived tables are the same as if they were built anew."""
    ours = clone(origin, Omission(depth=2, without=frozenset(("documents", "output"))))
    with Remote(there(origin)) as remote:
        fetch_missing(ours.store, remote, now=ours.now)
    with ours.store.write() as writer:
        grown = rows(writer)
        rebuild(writer)
        assert rows(writer) == grown


def test_ids_can_be_checked_without_what_they_lead_to(origin: Machine) -> None:
    """A clone without outputs holds the trees of all runs, so a run's id is checked as ever."""
    ours = clone(origin, OUTPUT)
    with ours.store.read() as reader, origin.store.read() as whole:
        trees = [obj for _, obj in whole.objects() if obj.kind == Kind.TREE]
        assert [reader.get(tree.id) for tree in trees] == trees


def test_promised_is_told_from_lost(origin: Machine) -> None:
    """What was left out names who has it, and how it comes; what nobody promised is just not here."""
    ours = clone(origin, BLOBS)
    with ours.store.read() as reader:
        known = next(absences(reader))
        assert (known.state, known.link.kind) == (PROMISED, Kind.BLOB)
        error = explain(reader, known.link.id)
        assert error.kind == "promised"
        assert "fetch --missing" in (error.hint or "")
        assert explain(reader, bytes(32)).kind == "not-found"
        assert absence(reader, bytes(32)) is None


def test_what_refers_to_a_promised_object_is_found(origin: Machine) -> None:
    """The index leads from a promised object to what refers to it."""
    ours = clone(origin, DOCUMENTS)
    with ours.store.read() as reader:
        lists = [known.link for known in absences(reader) if known.link.kind == Kind.LIST]
        assert lists
        assert all(list(lookup.referrers(reader, link.id)) for link in lists)


def test_a_dry_run_brings_nothing(origin: Machine) -> None:
    """Asked what would come, fetching what is missing says how much and changes nothing."""
    ours = clone(origin, OUTPUT)
    before = ours.state()
    with Remote(there(origin)) as remote:
        fetched = fetch_missing(ours.store, remote, now=ours.now, dry_run=True)
    assert fetched.objects == len(origin.ids()) - len(before[0])
    assert ours.state() == before


def test_a_partial_clone_pushes_back_what_is_new(origin: Machine) -> None:
    """New executions go to who has the rest, although part of it is not here."""
    ours = clone(origin, Omission(depth=2, without=frozenset(("output",))))
    tip = ours.ref("remotes/origin/main")
    assert tip is not None
    ours.repo.set_ref("main", f"execution:{tip.hex}")
    new = ours.say()
    ours.push(there(origin))
    assert origin.repo_ref("main") == new
    assert list(fsck(origin.store)) == []


def test_a_partial_clone_cannot_be_pushed_elsewhere(origin: Machine) -> None:
    """Nobody is given a store with holes: who lacks what we lack is told so."""
    ours = clone(origin, OUTPUT)
    tip = ours.ref("remotes/origin/main")
    assert tip is not None
    ours.repo.set_ref("main", f"execution:{tip.hex}")
    third = Machine(3)
    before = third.state()
    with pytest.raises(NotFound) as found:
        ours.push(there(third))
    assert found.value.kind == "promised"
    assert third.state() == before


def test_later_fetches_go_on_from_a_shallow_clone(origin: Machine) -> None:
    """What is new comes; what was left out before stays left out."""
    ours = clone(origin, Omission(depth=2))
    new = origin.say()
    fetched = ours.fetch(there(origin))
    assert ours.ref("remotes/origin/main") == new
    assert len(ours.executions()) == 3
    assert fetched.objects < 12
    assert list(fsck(ours.store)) == []


def test_marks_are_kept_once_and_not_for_what_is_here(origin: Machine) -> None:
    """Promising an object again changes nothing, and one that is here is never promised."""
    with origin.store.write() as writer:
        present = next(obj for _, obj in writer.objects()).link
        missing = present._replace(id=bytes(32))
        assert mark_absent(writer, [present, missing], PROMISED, "a peer") == 1
        assert mark_absent(writer, [missing], PROMISED, "another") == 0
        found = absence(writer, missing.id)
        assert found is not None
        assert found.reason == "a peer"


def test_what_can_be_left_out_is_named() -> None:
    """A class that nobody knows, or a depth of nothing, is an error of the caller."""
    with pytest.raises(InvalidInput):
        omission(without=["everything"])
    with pytest.raises(InvalidInput):
        omission(depth=0)


def test_an_incomplete_bundle_is_not_made(origin: Machine) -> None:
    """A bundle holds all that its refs lead to; from a partial clone that cannot be had."""
    ours = clone(origin, OUTPUT)
    with ours.store.read() as reader, pytest.raises(NotFound) as found:
        write_bundle(reader, io.BytesIO(), {"heads/main": origin.repo_ref("main")})
    assert found.value.kind == "promised"


def test_a_push_promises_nothing(origin: Machine) -> None:
    """A receiver of a push takes no promises."""
    with Remote(there(origin)) as remote, pytest.raises(Refused):
        remote.ask([Message("push", {"upload": "0" * 32, "frame": 0}), Message("promised", {}, bytes((1,)) * 33)])


def test_iterating(origin: Machine) -> None:
    """Absences are listed by id."""
    ours = clone(origin, OUTPUT)
    with ours.store.read() as reader:
        found: Iterator[bytes] = (known.link.id for known in absences(reader))
        listed = list(found)
    assert listed == sorted(listed)
