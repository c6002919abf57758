"""Drift: the same request, answered by something else."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runstore
from runstore.model.ids import Link
from runstore.query.drift import CHANGED, PARTLY, SAME, UNKNOWN
from runstore.repo import TABLES, Repo
from runstore.store.lmdb.env import Settings
from runstore.store.lmdb.store import LmdbStore
from tests.cli.conftest import FIRST, Cli, cli, run_at
from tests.query.conftest import Archive

__all__ = ["cli"]


def ask(archive: Archive, version: str | None, answer: str | None, question: str = "?", ref: str = "main", **fields: Any) -> Link:
    """Record one answer of a version of the model to a question; of no version, one of which nobody knows what answered."""
    slots = {"runtime": None if version is None else {"model": version, "fingerprint": f"fp-{version}"}}
    history = [{"role": "user", "content": question}]
    output = None if answer is None else [{"role": "assistant", "content": answer}]
    return archive.add(ref, output=output, slots={**slots, "history": history}, **fields)


@pytest.mark.parametrize(
    ("old", "new", "answers"),
    [
        (["4"], ["4"], SAME),
        (["4", "4"], ["4"], SAME),
        (["4"], ["5"], CHANGED),
        (["4", "5"], ["5", "6"], PARTLY),
        (["4"], [None], None),
    ],
)
def test_whether_the_answers_changed_with_it(archive: Archive, old: list[str], new: list[str | None], answers: str | None) -> None:
    """The complete answers of the newest runtime are compared with those from before, byte for byte."""
    for version, given_ in (("a", old), ("b", new)):
        for answer in given_:
            ask(archive, version, answer)
    found = list(archive.repo.drift())
    assert [one.answers for one in found] == ([] if answers is None else [answers])


def test_since_when_and_what(archive: Archive) -> None:
    """The newest runtime's first answer is since when; the changes are against the runtime before; counts are of each."""
    first = [ask(archive, "a", "4"), ask(archive, "b", "4"), ask(archive, "c", "5", ref="nightly"), ask(archive, "c", "6", ref="nightly")]
    (found,) = archive.repo.drift("main")
    begin = archive.repo.show(first[2].hex).started
    assert (found.since, found.newest, found.answers) == (begin, first[3], CHANGED)
    assert [(one.runtime["model"], one.executions, one.answers) for one in found.served] == [("a", 1, 1), ("b", 1, 1), ("c", 2, 2)]
    assert [(one.path, one.old, one.new) for one in found.changes] == [("fingerprint", "fp-b", "fp-c"), ("model", "b", "c")]
    assert found.request == archive.repo.show(first[0].hex).run.request_id  # type: ignore[union-attr]


def test_what_is_no_drift(archive: Archive) -> None:
    """Another request, the same runtime again, a runtime that nobody recorded, and one that never gave an answer are none."""
    for version, answer in (("a", "4"), ("a", "5"), (None, "6")):
        ask(archive, version, answer)
    ask(archive, "b", "4", "another question")
    ask(archive, "b", None, status="error")
    assert list(archive.repo.drift()) == []


def test_partial_answers_are_not_compared(archive: Archive) -> None:
    """Where one side has no complete answer, nothing is said of them."""
    ask(archive, "a", "4", status="partial")
    ask(archive, "b", "4")
    assert [one.answers for one in archive.repo.drift()] == [UNKNOWN]


def test_of_a_log_only_its_requests(archive: Archive) -> None:
    """With a revision the requests in its log are told, each once, wherever else they were answered."""
    for question in ("one", "two", "three"):
        ask(archive, "a", "4", question, ref="main" if question != "three" else "other")
        ask(archive, "b", "4", question, ref="nightly")
    assert len(list(archive.repo.drift())) == 3
    questions = [archive.repo.show(found.newest.hex).history[0]["content"] for found in archive.repo.drift("main")]
    assert questions == ["two", "one"]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.sampled_from("12")), max_size=12))
def test_against_a_plain_count(calls: list[tuple[str, str, str]]) -> None:
    """For any calls: drift is told of exactly those questions that two versions answered, from the index or along a log."""
    archive = Archive()
    for question, version, answer in calls:
        ask(archive, version, answer, question)
    wanted = {question for question, _, _ in calls if len({version for other, version, _ in calls if other == question}) > 1}
    for found in (list(archive.repo.drift()), list(archive.repo.drift("main")) if calls else []):
        assert sorted(archive.repo.show(one.newest.hex).history[0]["content"] for one in found) == sorted(wanted)


def test_the_command(cli: Cli) -> None:
    """A block a request with its runtimes and what changed, a last line that sums up, and an exit code for those who watch."""
    cli("init")
    assert "no drift" in cli("drift", "--all", "--exit-code").err
    for number, version in ((0, "gpt-4o-2024-08-06"), (1440, "gpt-4o-2024-11-20")):
        answer = [{"role": "assistant", "content": f"From {version}."}]
        cli.add(**run_at(number, runtime={"model": version}, output=answer, nonce=version))
    lines = cli("drift", "main", "--exit-code", code=1).lines
    assert lines[0].endswith("What is two and two?")
    assert lines[1:5] == [
        "  2026-01-01 12:00  gpt-4o-2024-08-06  1 execution  1 answer",
        "  2026-01-02 12:00  gpt-4o-2024-11-20  1 execution  1 answer",
        "  ~ model  gpt-4o-2024-08-06 → gpt-4o-2024-11-20",
        "  the answers changed with it",
    ]
    assert lines[-1] == "1 request answered by more than one runtime: the answers changed with it in 1"
    assert cli("drift", "--all", "--json").json["since"] == FIRST + 1440 * 60_000_000
    assert "--all" in cli("drift", code=2).err


@pytest.mark.soak
def test_memory_does_not_grow_with_the_store(tmp_path: Any) -> None:
    """Of 10,000 requests, each answered by two versions, drift is told in little more memory than the store itself takes."""
    with runstore.open(tmp_path / "store", create=True, actor="tester") as repo:
        for start in range(0, 10_000, 1_000):
            repo.add_many(
                ({"history": [{"role": "user", "content": str(number)}], "runtime": {"model": version}}, {"output": "4"})
                for number in range(start, start + 1_000)
                for version in "ab"
            )
    cache = 1 << 20
    with Repo(LmdbStore.open(tmp_path / "store", TABLES, settings=Settings(cache_bytes=cache)), actor="tester") as repo:
        next(repo.drift())
        tracemalloc.start()
        try:
            assert sum(1 for _ in repo.drift()) == 10_000
            assert tracemalloc.get_traced_memory()[1] < 6 * cache  # the store remembers ids too, up to a number
        finally:
            tracemalloc.stop()
