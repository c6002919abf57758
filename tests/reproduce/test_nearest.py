"""The nearest recorded request: the one that somebody means, found in bounded time among many that are alike."""

from __future__ import annotations

from typing import Any

import pytest

from runstore.capture.codecs import codec_for
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.replay.nearest import NEWEST, Nearest, nearest
from runstore.runs.record import Recorded
from tests.reproduce.calls import HEADERS, URL, body_of, chat, record

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
MANY = NEWEST + 60


def turns(number: int, *last: str) -> list[dict[str, str]]:
    """Return a conversation of an agent: the same instructions, a question of its own, and what followed."""
    said = [("user", f"Book a seat for reader {number}."), ("assistant", f"For which day, reader {number}?")]
    said += [(("user", "assistant")[at % 2], text) for at, text in enumerate(last)]
    return [{"role": "system", "content": "You are terse."}, *({"role": role, "content": text} for role, text in said)]


def body(number: int, *last: str, **more: Any) -> dict[str, Any]:
    """Return the request of a turn."""
    return chat(tools=TOOLS, **more) | {"messages": turns(number, *last)}


@pytest.fixture
def many(repo: Repo) -> dict[int, Recorded]:
    """Many calls of one agent, which share model, prompt, parameters and tools."""
    return {number: record(repo, body(number, "Tomorrow, please.")) for number in range(MANY)}


def near(repo: Repo, request: dict[str, Any]) -> Nearest:
    """Look for the nearest request."""
    codec = codec_for(URL, "POST", HEADERS)
    assert codec is not None
    with repo.read() as reader:
        found = nearest(reader, Run(**codec.decode_request(URL, HEADERS, body_of(request)).slots))
    assert found is not None
    return found


def test_a_changed_setting_leads_to_the_call_with_the_same_conversation(repo: Repo, many: dict[int, Recorded]) -> None:
    """An old call among many is found by its conversation, and the one setting is all that differs."""
    found = near(repo, body(7, "Tomorrow, please.", top_p=0.5))
    assert found.execution == many[7].execution
    assert found.lines == ["parameters.top_p: added, 0.5"]


def test_a_changed_message_leads_to_the_same_conversation(repo: Repo, many: dict[int, Recorded]) -> None:
    """Of many with as many equal components the one whose messages are the same is meant."""
    found = near(repo, body(7, "Tomorrow, if you can."))
    assert found.execution == many[7].execution
    assert found.text == "history/2: - Tomorrow, please., + Tomorrow, if you can."


def test_a_changed_word_leads_to_the_message_that_is_most_like_it(repo: Repo) -> None:
    """Where no message is the same, the words of the last one tell."""
    made = [record(repo, chat(text)) for text in ("Where is the library?", "When does the library open on Monday?", "Who is the author?")]
    found = near(repo, chat("When does the library close on Monday?"))
    assert found.execution == made[1].execution


def test_a_changed_prompt_leads_to_the_newest_with_the_same_question(repo: Repo, many: dict[int, Recorded]) -> None:
    """Of several executions of the nearest run the newest is named."""
    again = record(repo, body(9, "Tomorrow, please."))
    changed = body(9, "Tomorrow, please.")
    changed["messages"][0]["content"] = "You are kind."
    found = near(repo, changed)
    assert found.execution == again.execution
    assert found.lines[0].startswith("prompt: ")


def test_what_is_read_does_not_grow_with_the_store(repo: Repo) -> None:
    """Twice as many runs cost no more reading."""

    def reads() -> int:
        with repo.read() as reader:
            counting = Counting(reader)
            codec = codec_for(URL, "POST", HEADERS)
            assert codec is not None
            decoded = codec.decode_request(URL, HEADERS, body_of(body(3, "Tomorrow, if you can.")))
            assert nearest(counting, Run(**decoded.slots)) is not None
        return counting.reads

    for number in range(NEWEST):
        record(repo, body(number, "Tomorrow, please."))
    before = reads()
    for number in range(NEWEST, 3 * NEWEST):
        record(repo, body(number, "Tomorrow, please."))
    assert reads() < 1.3 * before + 200


class Counting:
    """A reader that counts what is read."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._reader, name)
        if name not in ("get", "at", "find", "between", "rows"):
            return found

        def counted(*args: Any, **options: Any) -> Any:
            self.reads += 1
            return self._each(found(*args, **options)) if name in ("between", "rows") else found(*args, **options)

        return counted

    def _each(self, items: Any) -> Any:
        for item in items:
            self.reads += 1
            yield item


def test_an_empty_store_has_none(repo: Repo) -> None:
    """Where nothing is recorded there is nothing near."""
    with repo.read() as reader:
        assert nearest(reader, Run(model={"api": "x"})) is None
