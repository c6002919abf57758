"""The demo's data: pinned, since the documentation shows its ids."""

from __future__ import annotations

from pathlib import Path

import pytest

import runstore
from runstore.capture.demo import DOCUMENTS, PROMPT, REF, record, reply
from runstore.runs.view import read_content

RUNS = [
    "7372606863f9d6e27b6f39b2d54396bb2f78ba019b94b59e9e5a6153bfc3d267",
    "9b78b8cbe1f8c9ea19fb777dfff87b55d5638353960483cda03283ff19c79261",
    "7cad2d29a641bcd80125d00029971294e2a19497e12f3b00cb1318e8a3aa2337",
]
EXECUTIONS = [
    "708d3f5e0e13959496a023629ba972afda3cefd2dddb7f2c9f5f85b007217809",
    "19ae47580bad125d2ba6d63611992690dd11b9104a96ac3ba9867b6977355bb9",
    "9e66943d626a566cd2c3df8082a29e95c916be986018fe06351c4596ce572811",
]


@pytest.fixture
def repo(tmp_path: Path) -> runstore.Repo:
    """A store whose actor, clock and nonces are those of a stranger."""
    return runstore.open(tmp_path / "store", create=True, actor="stranger", clock=lambda: 1, nonce=lambda: "f" * 32)


def test_the_ids_are_the_same_every_time(repo: runstore.Repo) -> None:
    """The three runs and executions have the ids that the README shows, whoever records them and whenever."""
    with repo:
        done = record(repo)
    assert [one.run.hex for one in done] == RUNS
    assert [one.execution.hex for one in done] == EXECUTIONS


def test_the_answers_are_to_the_point(repo: runstore.Repo) -> None:
    """The built-in model answers each question with the sentence that answers it, and names its source when the prompt asks."""
    with repo:
        record(repo)
        answers = [repo.show(f"{REF}~{back}").output[0]["content"] for back in (2, 1, 0)]
    assert answers == ["On Saturdays it opens at ten.", "A loan can be renewed twice.", "A loan can be renewed twice. (Borrowing)"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When does the library open on weekdays?", "The library opens at nine on weekdays."),
        ("How many seats has the reading room?", "The reading room has forty seats."),
    ],
)
def test_other_questions(question: str, answer: str) -> None:
    """Questions that the demo does not ask are answered too."""
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}]
    assert reply({"messages": messages, "documents": DOCUMENTS}) == answer


def test_what_is_recorded_is_complete(repo: runstore.Repo) -> None:
    """Nothing of the demo's runs is unknown; that no engine and no digest of weights is stated speaks against repeating them."""
    with repo:
        record(repo)
        verdict = repo.check(REF)
    assert verdict.complete
    assert [reason.code for reason in verdict.reasons] == ["engine", "weights"]


def test_only_the_prompt_and_the_answer_change(repo: runstore.Repo) -> None:
    """Between the last two executions the prompt differs, and so does the output; everything else is shared."""
    with repo:
        record(repo)
        assert [component.slot for component in repo.diff(f"{REF}~1", REF).components] == ["prompt", "output"]


def test_the_calls_went_over_http_and_through_the_tap(repo: runstore.Repo) -> None:
    """Each request is rebuilt as it lay on the wire, with its URL and headers; the second was streamed, and shares what it shares."""
    with repo:
        one, two, three = (record(repo)[at].execution for at in range(3))
        shown = [repo.show(str(link)) for link in (one, two, three)]
        envelopes = [read_content(view.wire, repo.fetch) for view in shown]
        assert [envelope["url"] for envelope in envelopes] == ["http://demo.localhost/v1/chat/completions"] * 3
        assert [view.response.get("streamed", False) for view in shown] == [False, True, False]
        assert envelopes[1]["delivery"] == {"stream": True, "stream_options": {"include_usage": True}}
        assert shown[1].history[1] == shown[0].output[0]
