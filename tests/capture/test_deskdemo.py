"""The demo's second log, and the chance in its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import runstore
from runstore.capture.demo import DOCUMENTS, PROMPT, reply
from runstore.capture.deskdemo import MORNINGS, QUESTION, REF, RELEASED, record

NEWEST = "fd6cf27e"


def test_the_answers_turn_with_the_release(tmp_path: Path) -> None:
    """The same question each morning: the right answer, and from the release on the wrong one; the ids are those of the tutorial."""
    with runstore.open(tmp_path / "store", create=True, actor="stranger", clock=lambda: 1, nonce=lambda: "f" * 32) as repo:
        done = record(repo)
        answers = [repo.show(one.execution.hex).output[0]["content"] for one in done]
        assert repo.resolve(REF).link.hex.startswith(NEWEST)
    right, wrong = "On Saturdays it opens at ten.", "In summer the library opens at eight on Saturdays."
    assert answers == [right] * RELEASED + [wrong] * (MORNINGS - RELEASED)


def test_chance_is_in_the_temperature() -> None:
    """At 0 one answer, above several; with a seed the same one again."""

    def said(**more: Any) -> set[str]:
        messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": QUESTION}]
        return {reply({"messages": messages, "documents": DOCUMENTS, **more}) for _ in range(60)}

    assert len(said(temperature=0)) == 1
    assert len(said(temperature=0.9)) > 1
    assert len(said(temperature=0.9, seed=7)) == 1
