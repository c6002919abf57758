"""The demo's data: pinned, since the documentation shows its ids."""

from __future__ import annotations

from pathlib import Path

import pytest

import runstore
from runstore.capture.demo import DOCUMENTS, PROMPT, REF, record, reply

RUNS = [
    "f7a64986dd9a2497882d9977e4d21d1a83b7f47c42093a8dbab843e58c0ad0da",
    "469bcf2d8d3b14496948beaf9679c478cb9078ccfb3d3f871e82c0559849810a",
    "e0e5f093e05af2aacfad180ec88c5487b6458138ec3e2e5fc6f9410892efd5a1",
]
EXECUTIONS = [
    "1f6afb1d78fa8ac13a183ae2d97a2888875f325cbf0ec935f6b5b11119e25060",
    "d0ec7d843986fe6a4fa050a35ffe800916e2c55874ec2b3559dc244a7e19c3f7",
    "577ff48b19e73083aa709a4fee41ebc9ff0461aa2fe5ea7e893d917c1570b14f",
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
    assert reply(PROMPT, DOCUMENTS, [{"role": "user", "content": question}])["content"] == answer


def test_what_is_recorded_is_complete(repo: runstore.Repo) -> None:
    """Nothing of the demo's runs is unknown, and only the digest of weights, which there are none, speaks against repeating them."""
    with repo:
        record(repo)
        verdict = repo.check(REF)
    assert verdict.complete
    assert [reason.code for reason in verdict.reasons] == ["weights"]


def test_only_the_prompt_and_the_answer_change(repo: runstore.Repo) -> None:
    """Between the last two executions the prompt differs, and so does the output; everything else is shared."""
    with repo:
        record(repo)
        assert [component.slot for component in repo.diff(f"{REF}~1", REF).components] == ["prompt", "output"]
