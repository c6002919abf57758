"""The derived tables say what the objects say, counted here in the simplest way, whatever was taken back, collected or brought later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore import refs
from runstore.model.executions import Execution, encode_execution
from runstore.model.ids import Kind, Link
from runstore.model.objects import links_of
from runstore.repo import Repo
from runstore.runs.absence import PROMISED, mark_absent
from runstore.runs.index import Indexer
from runstore.runs.tables import GENERATIONS, REFERRERS, WINDOW_SHIFT
from runstore.store.protocol import Reader, Writer


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """A new store."""
    with runstore.open(tmp_path / "s", create=True, actor="a") as made:
        yield made


def generations(reader: Reader) -> set[bytes]:
    """Return the rows of the generations, each found by going down all the way."""
    found: dict[bytes, int] = {}

    def generation(name: bytes) -> int:
        if name not in found:
            below = [link.id for link in links_of(Kind.EXECUTION, reader.get(name).body) if link.kind == Kind.EXECUTION]
            found[name] = 1 + max((generation(one) for one in below if reader.address(one) is not None), default=0)
        return found[name]

    executions = [(address, obj.id) for address, obj in reader.objects() if obj.kind == Kind.EXECUTION]
    return {address.to_bytes(5, "big") + generation(name).to_bytes(4, "big") for address, name in executions}


def referrers(reader: Reader) -> set[bytes]:
    """Return the rows of the referrers: for each link to what is no execution, and for those of executions to what is no run either."""
    rows = set()
    for address, obj in reader.objects():
        for link in links_of(obj.kind, obj.body):
            place = reader.address(link.id)
            left_out = obj.kind == Kind.EXECUTION and link.kind in (Kind.TREE, Kind.EXECUTION)
            if place is not None and not left_out:
                rows.add(place.to_bytes(5, "big") + (address >> WINDOW_SHIFT).to_bytes(5, "big"))
    return rows


def assert_right(repo: Repo) -> None:
    """The tables hold these rows and no others."""
    with repo.read() as reader:
        assert set(reader.rows(GENERATIONS.name)) == generations(reader)
        assert set(reader.rows(REFERRERS.name)) == referrers(reader)


@pytest.mark.parametrize("notes", [None, {"session": "s"}], ids=["plain", "notes"])
def test_every_link_of_an_execution_is_indexed(repo: Repo, notes: Any) -> None:
    """Output, response and wire are found from what they lead to, and a cause counts as what an execution stands on."""
    first = repo.add({"prompt": "a"}, ref="one")
    second = repo.add({"prompt": "b"}, ref="one", output={"role": "assistant", "content": "c"})
    repo.add({"prompt": "d"}, ref="two", cause=second.execution, response={"id": "r"}, wire={"w": 1}, notes=notes)
    repo.add({"prompt": "d"}, ref="two", cause=first.execution, output=b"blob", notes=notes)
    assert_right(repo)
    assert [use.place for use in repo.find({"w": 1})] == ["wire"]


def test_what_was_taken_back_is_no_ancestor(repo: Repo) -> None:
    """An execution whose transaction failed counts for nothing in what is caused by it."""
    tips: list[Link] = []

    def fail(writer: Writer) -> None:
        tip = refs.get(writer, "heads/main")
        assert tip is not None
        tips.append(tip)
        raise InterruptedError

    repo.add({"prompt": "a"})
    repo.add({"prompt": "b"})
    with suppress(InterruptedError):
        repo.add_many([({"prompt": "c"}, {})], within=fail)
    repo.add({"prompt": "d"}, ref="other", cause=tips[0])
    assert_right(repo)


def test_what_another_brings_late_is_an_ancestor(repo: Repo) -> None:
    """Where something is known not to be here, another process may bring it: what stands on it is counted anew."""
    repo.add({"prompt": "a"})
    with repo.read() as reader:
        run = next(obj for _, obj in reader.objects() if obj.kind == Kind.TREE).link
    late = encode_execution(Execution(run=run, started=1, status="ok"))
    with repo.store.write() as writer:
        mark_absent(writer, [late.link, Link(Kind.BLOB, bytes(32))], PROMISED, "a peer")
    repo.add({"prompt": "b"}, ref="other", cause=late.link)
    with repo.store.write() as writer:
        Indexer().add(writer, writer.put([late]))
    repo.add({"prompt": "c"}, ref="other")
    assert_right(repo)
