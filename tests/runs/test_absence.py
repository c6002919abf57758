"""What is known of objects that are not here."""

from __future__ import annotations

from runstore.model.ids import Kind, Link
from runstore.repo import TABLES
from runstore.runs.absence import ERASED, PROMISED, absence, absences, any_absent, explain, mark_absent
from runstore.store.memory import MemoryStore

GONE = Link(Kind.BLOB, bytes(range(32)))


def test_nothing_is_known_of_what_nobody_marked() -> None:
    """An empty store knows of no absence, and calls what is not here just that."""
    with MemoryStore(TABLES).read() as reader:
        assert not any_absent(reader)
        assert absence(reader, GONE.id) is None
        assert list(absences(reader)) == []
        assert explain(reader, GONE.id).kind == "not-found"


def test_an_erased_object_gives_its_reason() -> None:
    """Erased is said with the reason, and a promise does not take it back."""
    store = MemoryStore(TABLES)
    with store.write() as writer:
        mark_absent(writer, [GONE], PROMISED, "a peer")
        mark_absent(writer, [GONE], ERASED, "asked for by the person")
        mark_absent(writer, [GONE], PROMISED, "another peer")
        known = absence(writer, GONE.id)
        assert known is not None
        assert (known.link, known.state, known.reason) == (GONE, ERASED, "asked for by the person")
        assert "asked for by the person" in str(explain(writer, GONE.id))


def test_each_has_an_address_of_its_own() -> None:
    """Rows of the derived tables can lead to what is not here, each to its own."""
    store = MemoryStore(TABLES)
    links = [Link(Kind.VALUE, bytes((number,)) * 32) for number in range(5)]
    with store.write() as writer:
        assert mark_absent(writer, links[:3], PROMISED, "a") == 3
        assert mark_absent(writer, links, PROMISED, "a") == 2
        addresses = {known.address for known in absences(writer)}
    assert len(addresses) == 5
    assert {address >> 36 for address in addresses} == {15}
