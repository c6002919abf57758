"""Connections cut at every message and at random offsets: the state is before or after, never between, and a retry succeeds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runstore.errors import RunstoreError, Unavailable
from runstore.model.ids import Link
from runstore.sync.channel import Answer
from runstore.sync.endpoint import Endpoint
from runstore.sync.fetch import Fetch
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.updates import Update
from runstore.testing.machines import Machine
from tests.sync.cutting import Line, cut_once

State = tuple[frozenset[bytes], tuple[tuple[str, Link], ...]]


def answer_of(machine: Machine, quarantine: Path | None = None) -> Answer:
    """Return the endpoint of a machine."""
    return Endpoint(machine.store, now=machine.now, actor="peer", quarantine=None if quarantine is None else str(quarantine)).answer


def machines() -> tuple[Machine, Machine]:
    """Two machines that share some executions, one of which has gone on."""
    ours, theirs = Machine(1), Machine(2)
    ours.talk(6)
    ours.push(lambda: Line(answer_of(theirs)))
    ours.talk(5)
    ours.say(text="long " * 20_000)
    return ours, theirs


def pushing(ours: Machine, theirs: Machine, line: Line, attempts: int = 1) -> None:
    """Push main over a line."""
    push(ours.store, Remote(lambda: line), [(ours.repo_ref("main"), "heads/main")], upload=ours.upload, attempts=attempts)


def offsets(edges: list[int], seed: int, count: int) -> list[int]:
    """Return every edge between messages, one byte beside each, and random offsets."""
    chosen = random.Random(seed)
    near = {edge + step for edge in edges for step in (-1, 0, 1)}
    return sorted({offset for offset in near | {chosen.randrange(edges[-1]) for _ in range(count)} if 0 <= offset < edges[-1]})


def cut_push(offset: int) -> None:
    """Cut a push at an offset: before or after; then push again."""
    ours, theirs = machines()
    before = theirs.state()
    with pytest.raises(RunstoreError):
        pushing(ours, theirs, Line(answer_of(theirs), offset))
    after = theirs.state()
    assert after == before or set(ours.ids()) == after[0]
    assert dict(after[1])["heads/main"] in (dict(before[1])["heads/main"], ours.repo_ref("main"))
    pushing(ours, theirs, Line(answer_of(theirs)))
    assert theirs.ids() == ours.ids()
    assert theirs.repo_ref("main") == ours.repo_ref("main")


def cut_fetch(offset: int) -> None:
    """Cut a fetch at an offset: before or after; then fetch again."""
    theirs, ours = machines()
    ours_before = ours.state()
    with pytest.raises(RunstoreError):
        Fetch(ours.store, Remote(lambda: Line(answer_of(theirs), offset)), "origin", now=ours.now, actor="me", attempts=1).run()
    assert ours.state() == ours_before
    ours.fetch(lambda: Line(answer_of(theirs)))
    assert ours.ids() == theirs.ids()
    assert ours.ref("remotes/origin/main") == theirs.repo_ref("main")


def push_edges() -> list[int]:
    """Return the offsets at which messages end when a push is not cut."""
    ours, theirs = machines()
    line = Line(answer_of(theirs))
    pushing(ours, theirs, line)
    return line.edges


def fetch_edges() -> list[int]:
    """Return the offsets at which messages end when a fetch is not cut."""
    theirs, ours = machines()
    line = Line(answer_of(theirs))
    ours.fetch(lambda: line)
    return line.edges


def test_a_push_that_is_cut() -> None:
    """At every edge of a message, and inside some, a cut push changes all or nothing."""
    for offset in offsets(push_edges(), 1, 12):
        cut_push(offset)


def test_a_fetch_that_is_cut() -> None:
    """At every edge of a message, and inside some, a cut fetch changes all or nothing."""
    for offset in offsets(fetch_edges(), 2, 12):
        cut_fetch(offset)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_cuts_at_a_thousand_offsets(seed: int) -> None:
    """The same at 1,000 random offsets each way."""
    for offset in offsets(push_edges(), seed, 100):
        cut_push(offset)
    for offset in offsets(fetch_edges(), seed, 100):
        cut_fetch(offset)


def test_a_lost_answer_is_a_success() -> None:
    """A push whose answer is lost was carried out, and says so after asking again; nothing is sent twice."""
    ours, theirs = machines()
    edges = push_edges()
    connect = cut_once(answer_of(theirs), edges[-1] - 5)
    pushed = push(ours.store, Remote(connect), [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
    assert [state for *_, state in pushed.refs] == ["moved"]
    assert len(theirs.repo.reflog("main")) == 2


def test_a_commit_made_again_is_no_conflict() -> None:
    """A peer that asks for what stands already, or for what has been built on since, is told that it is done."""
    ours, theirs = machines()
    old, new = theirs.repo_ref("main"), ours.repo_ref("main")
    pushing(ours, theirs, Line(answer_of(theirs)))
    again = [Update("heads/main", old, new)]
    with Remote(lambda: Line(answer_of(theirs))) as remote:
        assert remote.push("0" * 32, 0, [], again, force=False, message="")[0] == {"heads/main": "already"}
        beyond = theirs.say()
        assert remote.push("0" * 32, 0, [], again, force=False, message="")[0] == {"heads/main": "already"}
    assert theirs.repo_ref("main") == beyond


def large(machine: Machine, megabytes: int) -> None:
    """Record blobs that do not compress."""
    noise = random.Random(5)
    for _ in range(megabytes):
        machine.repo.add({"model": {"name": "m"}}, output=noise.randbytes(1 << 20))


def test_an_upload_goes_on_at_a_frame(tmp_path: Path) -> None:
    """What the peer has kept of an upload that was cut is not sent again."""
    ours, theirs = Machine(1), Machine(2)
    large(ours, 24)
    lines: list[Line] = []
    answer = answer_of(theirs, tmp_path / "quarantine")

    def connect() -> Line:
        lines.append(Line(answer, 18 << 20 if not lines else None))
        return lines[-1]

    push(ours.store, Remote(connect), [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
    assert theirs.ids() == ours.ids()
    assert sum(line.used for line in lines) < 32 << 20
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_a_fetch_goes_on_at_a_frame(tmp_path: Path) -> None:
    """What came before a fetch was cut is not asked for again."""
    ours, theirs = Machine(1), Machine(2)
    large(theirs, 24)
    lines: list[Line] = []

    def connect() -> Line:
        lines.append(Line(answer_of(theirs), 18 << 20 if not lines else None))
        return lines[-1]

    Fetch(ours.store, Remote(connect), "origin", now=ours.now, actor="me", quarantine=str(tmp_path)).run()
    assert ours.ids() == theirs.ids()
    assert sum(line.used for line in lines) < 32 << 20
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_upload_is_forgotten_after_an_hour(tmp_path: Path) -> None:
    """What nobody takes up again is swept away by a later push."""
    ours, theirs = Machine(1), Machine(2)
    large(ours, 12)
    answer = answer_of(theirs, tmp_path)
    with pytest.raises(Unavailable):
        pushing(ours, theirs, Line(answer, 10 << 20))
    assert len(list(tmp_path.iterdir())) == 1
    theirs.now = lambda: 10**18  # type: ignore[method-assign]
    ours.say("other")
    push(ours.store, Remote(lambda: Line(answer_of(theirs, tmp_path))), [(ours.repo_ref("other"), "heads/other")], upload=ours.upload)
    assert list(tmp_path.iterdir()) == []
