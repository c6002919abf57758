"""Refs over a store: compare-and-swap, the reflog, undo."""

from collections.abc import Iterator

import pytest

from runstore import refs
from runstore.errors import Conflict, InvalidInput, NotFound
from runstore.model.ids import Kind, Link
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Store

PARENTS: dict[Link, Link] = {}


def link(number: int) -> Link:
    """Execution n."""
    return Link(Kind.EXECUTION, number.to_bytes(32, "big"))


def parent(of: Link) -> Link | None:
    """Execution n stands on execution n - 1."""
    number = int.from_bytes(of.id, "big")
    return link(number - 1) if number > 1 else None


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store with the tables of refs."""
    made = MemoryStore(refs.TABLES)
    yield made
    made.close()


def move(store: Store, name: str, old: Link | None, new: Link, *, now: int = 1000, actor: str = "ann", extends: bool = False) -> None:
    """Move a ref in a transaction of its own."""
    with store.write() as writer:
        refs.Operation(writer, now=now, actor=actor, action="add").move(name, old, new, extends=extends)


def log(store: Store, name: str | None = None) -> list[refs.Change]:
    """Return the changes of one ref or of all."""
    with store.read() as reader:
        return list(refs.changes(reader, parent) if name is None else refs.changes_of(reader, name, parent))


def target(store: Store, name: str) -> Link | None:
    """Return where a ref stands."""
    with store.read() as reader:
        return refs.get(reader, name)


@pytest.mark.parametrize("name", ["heads/a..b", "heads/", "main", "heads/deadbeef"])
def test_a_bad_name_makes_no_ref(store: Store, name: str) -> None:
    """Whoever moves refs, none is made under a name that breaks the rules."""
    with pytest.raises(InvalidInput):
        move(store, name, None, link(1))
    assert log(store) == []


def test_a_ref_moves_only_from_where_it_stands(store: Store) -> None:
    """Compare-and-swap: a move from elsewhere is a Conflict and changes nothing."""
    move(store, "heads/main", None, link(1))
    move(store, "heads/main", link(1), link(2))
    with pytest.raises(Conflict):
        move(store, "heads/main", link(1), link(3))
    with pytest.raises(Conflict):
        move(store, "heads/main", None, link(3))
    assert target(store, "heads/main") == link(2)
    assert len(log(store)) == 2


def test_names_that_differ_in_case_alone_cannot_both_exist(store: Store) -> None:
    """`Main` is refused where `main` exists, and is not found under the other spelling."""
    move(store, "heads/main", None, link(1))
    with pytest.raises(InvalidInput, match="case"):
        move(store, "heads/Main", None, link(2))
    assert target(store, "heads/Main") is None


def test_appends_share_a_row_and_lose_nothing(store: Store) -> None:
    """A hundred appends make two rows, and the log still tells each change with its time, newest first."""
    move(store, "heads/main", None, link(1), now=1)
    for number in range(2, 101):
        move(store, "heads/main", link(number - 1), link(number), now=number * 10, extends=True)
    found = log(store, "heads/main")
    assert [change.new for change in found] == [link(number) for number in range(100, 0, -1)]
    assert [change.old for change in found] == [link(number) for number in range(99, 0, -1)] + [None]
    assert [change.time for change in found[:2]] == [1000, 990]
    with store.read() as reader:
        assert sum(1 for _ in reader.items("reflog")) == 2


def test_another_actor_begins_another_row(store: Store) -> None:
    """Changes by two actors are told apart."""
    move(store, "heads/main", None, link(1), actor="ann")
    move(store, "heads/main", link(1), link(2), actor="bob", extends=True)
    assert [change.actor for change in log(store)] == ["bob", "ann"]


def test_the_clock_may_stand_still(store: Store) -> None:
    """Operations have strictly increasing times even when the clock goes back."""
    move(store, "heads/a", None, link(1), now=1000)
    move(store, "heads/b", None, link(2), now=500)
    assert [change.time for change in log(store)] == [1001, 1000]


def test_undo_takes_back_operation_by_operation(store: Store) -> None:
    """Undo goes back one operation at a time, past what was undone, and is an operation itself."""
    move(store, "heads/main", None, link(1), now=1)
    move(store, "heads/main", link(1), link(2), now=2, extends=True)
    with store.write() as writer:
        operation = refs.Operation(writer, now=3, actor="ann", action="add")
        operation.move("heads/main", link(2), link(9))
        operation.move("heads/other", None, link(9))
    for expected in ((link(2), None), (link(1), None), (None, None)):
        with store.write() as writer:
            refs.undo(writer, parent, now=10, actor="ann")
        assert (target(store, "heads/main"), target(store, "heads/other")) == expected
    with pytest.raises(NotFound, match="nothing to undo"), store.write() as writer:
        refs.undo(writer, parent, now=11, actor="ann")
    assert log(store)[0].action == "undo"


def undo(store: Store) -> set[str]:
    """Undo, and return the refs that are left."""
    with store.write() as writer:
        refs.undo(writer, parent, now=10, actor="ann")
    with store.read() as reader:
        return {ref.name for ref in refs.each(reader)}


def bring(store: Store, name: str, old: Link | None, new: Link) -> None:
    """Move a ref in one of the transactions of an import."""
    with store.write() as writer:
        refs.Operation(writer, now=5, actor="ann", action=refs.IMPORT, message="import 5").move(name, old, new)


def test_an_import_is_undone_whole_whoever_adds_meanwhile(store: Store) -> None:
    """What others do between the transactions of an import stays, and is what the next undo takes back."""
    bring(store, "heads/a", None, link(1))
    move(store, "heads/main", None, link(7), now=6)
    bring(store, "heads/b", None, link(2))
    bring(store, "heads/a", link(1), link(3))
    assert undo(store) == {"heads/main"}
    assert undo(store) == set()
    with pytest.raises(NotFound, match="nothing to undo"):
        undo(store)


def test_an_import_is_undone_up_to_what_others_did_on_its_refs(store: Store) -> None:
    """Where somebody moved a ref between the transactions of an import, each undo takes back what stands on nothing else."""
    bring(store, "heads/a", None, link(1))
    move(store, "heads/a", link(1), link(2), now=6)
    bring(store, "heads/b", None, link(3))
    assert undo(store) == {"heads/a"}
    assert (undo(store), target(store, "heads/a")) == ({"heads/a"}, link(1))
    assert undo(store) == set()


def test_undo_passes_over_what_followed_others(store: Store) -> None:
    """What only follows moves that were made elsewhere is not taken back."""
    move(store, "heads/main", None, link(1), now=1)
    with store.write() as writer:
        refs.Operation(writer, now=2, actor="ann", action=refs.FOLLOW).move("heads/theirs", None, link(5))
    assert undo(store) == {"heads/theirs"}
    with pytest.raises(NotFound, match="nothing to undo"):
        undo(store)


def test_a_deleted_ref_leaves_its_changes(store: Store) -> None:
    """Deleting needs the right target, is in the reflog, and can be undone."""
    move(store, "heads/main", None, link(1))
    with store.write() as writer, pytest.raises(Conflict):
        refs.Operation(writer, now=5, actor="ann", action="delete").delete("heads/main", link(2))
    with store.write() as writer:
        refs.Operation(writer, now=6, actor="ann", action="delete").delete("heads/main", link(1))
    assert target(store, "heads/main") is None
    assert log(store)[0].new is None
    with store.write() as writer:
        refs.undo(writer, parent, now=7, actor="ann")
    assert target(store, "heads/main") == link(1)


def test_expire_forgets_what_is_older(store: Store) -> None:
    """Changes before the time are gone, within a row too; those at it and later keep their old value."""
    move(store, "heads/main", None, link(1), now=10)
    for number in range(2, 6):
        move(store, "heads/main", link(number - 1), link(number), now=number * 10, extends=True)
    with store.write() as writer:
        assert refs.expire(writer, 40, parent) == 3
    found = log(store)
    assert [(change.old, change.new) for change in found] == [(link(4), link(5)), (link(3), link(4))]
    with store.read() as reader:
        assert set(refs.links(reader)) == {link(3), link(5)}


def test_refs_are_listed_by_prefix(store: Store) -> None:
    """Listing gives full names in order, those with the prefix only."""
    for name in ("heads/b", "heads/a/x", "tags/b"):
        move(store, name, None, link(1))
    with store.read() as reader:
        assert [ref.name for ref in refs.each(reader, "heads/")] == ["heads/a/x", "heads/b"]
        assert refs.existing(reader, "b").name == "heads/b"
        with pytest.raises(NotFound):
            refs.existing(reader, "c")
