"""What fsck finds: each fault under its own code, whatever else is sound, and nothing in a store that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore import Run, refs
from runstore.model.encoding import encode
from runstore.model.executions import Execution, encode_execution
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.nodes import inner_body, leaf_body
from runstore.model.trees import encode_tree
from runstore.repo import Repo
from runstore.runs.index import Indexer
from runstore.runs.tables import REFERRERS, TABLES, TIMES
from runstore.store.frames import compress
from runstore.store.lmdb import LmdbStore
from runstore.store.lmdb.values import from_value, open_value, to_value


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """A store with a few runs."""
    with runstore.open(tmp_path / "s", create=True, actor="a") as made:
        for number in range(5):
            made.add(
                {"prompt": "p", "history": [{"n": n} for n in range(number * 5)], "model": {"name": "m"}},
                output=str(number),
                started=number,
            )
        assert found(made) == []
        yield made


def found(repo: Repo, *, fast: bool = False) -> list[str]:
    """Return the codes of what fsck finds."""
    return [finding.code for finding in repo.fsck(fast=fast)]


def put(repo: Repo, *objects: Object) -> None:
    """Store objects as they are, with their rows, and let a ref lead to an execution among them."""
    with repo.store.write() as writer:
        Indexer().add(writer, writer.put(objects))
        for item in objects:
            if item.kind == Kind.EXECUTION:
                refs.Operation(writer, now=1, actor="a", action="set").move("heads/odd", None, item.link)


def value(given: Any) -> Object:
    """Return the object of a value."""
    return make_object(Kind.VALUE, encode(given).body)


def test_what_is_missing(repo: Repo) -> None:
    """A link that leads to nothing is named with what holds it; fast finds it too."""
    lost = Link(Kind.VALUE, bytes(32))
    put(repo, encode_execution(Execution(run=repo.add({"prompt": "q"}).run, parents=(), output=lost)))
    assert found(repo) == found(repo, fast=True) == ["missing"]
    assert str(lost) in next(repo.fsck()).message


def test_a_ref_to_nothing(repo: Repo) -> None:
    """A ref whose execution is not here is named."""
    with repo.store.write() as writer:
        refs.Operation(writer, now=1, actor="a", action="set").move("heads/odd", None, Link(Kind.EXECUTION, bytes(32)))
    assert "ref-to-nothing" in found(repo, fast=True)


MESSAGE, SETTINGS = value({"n": 1}), make_object(Kind.VALUE, encode({"b": 1, "a": 2}).body)
LEAF = make_object(Kind.LIST, leaf_body([MESSAGE.link.raw]))
FAULTS: dict[str, list[Object]] = {
    "a longer form": [make_object(Kind.VALUE, b"\xcc\x01")],
    "two keys": [make_object(Kind.VALUE, b"\x82\xa1a\x01\xa1a\x02")],
    "a list of another shape": [
        MESSAGE,
        LEAF,
        (TOP := make_object(Kind.LIST, inner_body(1, [1, 1], [LEAF.link.raw] * 2))),
        encode_tree({"x": TOP.link}),
    ],
    "settings that are not in normal form": [SETTINGS, Run(slots={"parameters": SETTINGS.link}).tree],
    "an element that is no value": [
        (FILE := make_object(Kind.BLOB, b"x")),
        (FILES := make_object(Kind.LIST, leaf_body([FILE.link.raw]))),
        Run(slots={"documents": FILES.link}).tree,
    ],
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_reader_would_accept(repo: Repo, name: str) -> None:
    """An object that is stored whole and breaks a rule of the format is malformed; fast does not look."""
    put(repo, *FAULTS[name])
    assert found(repo) == ["malformed"]
    assert found(repo, fast=True) == []


@pytest.mark.parametrize("table", [one for one in TABLES if one.row_bytes is not None], ids=lambda one: one.name)
def test_a_derived_table_that_says_something_else(repo: Repo, table: Any) -> None:
    """A row too many or one too few in a derived table is found, and reindex mends it."""
    with repo.read() as reader:
        rows = list(reader.rows(table.name))
    assert rows or table not in (REFERRERS, TIMES)
    with repo.store.write() as writer:
        writer.add_rows(table.name, [b"\x7f" * table.row_bytes])
    assert found(repo) == ["index"]
    repo.reindex()
    assert found(repo) == []
    if rows:
        with repo.store.write() as writer:
            writer.remove_rows(table.name, rows[:1])
        assert found(repo) == ["index"]
        repo.reindex()
        assert found(repo) == []


def test_segments_that_lie_elsewhere(repo: Repo) -> None:
    """A segment behind a gap, an object in a lane that is not its own, and an index row that leads nowhere are found."""
    repo.pack()
    store = repo.store
    assert isinstance(store, LmdbStore)
    with store.write() as writer:
        key, stored = next((bytes(key), bytes(data)) for key, data in writer.raw.cursor(writer.env.segments).iternext())
        segment, taken = open_value(stored, int.from_bytes(key, "big")), from_value(stored)
        beyond = (writer.next_addresses()[0] + 3).to_bytes(5, "big")
        other = (1 << 36 | 1).to_bytes(5, "big")
        for place in (beyond, other):
            writer.raw.put(place, to_value(taken.tier, 0, taken.n, compress(segment.content)), db=writer.env.segments)
            for number in range(taken.n):
                row = segment.make(number).id[:8] + (int.from_bytes(place, "big") + number).to_bytes(5, "big")
                writer.raw.put(b"index", row, db=writer.env.rows, dupdata=True)
        writer.raw.put(b"index", bytes(8) + (1 << 30).to_bytes(5, "big"), db=writer.env.rows, dupdata=True)
    assert {"gap", "lane", "unreadable"} <= set(found(repo, fast=True))
