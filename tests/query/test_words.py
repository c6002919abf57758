"""Differences by words, and tool calls inside messages."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runstore.query.calls import calls_of, diff_calls, without_calls
from runstore.query.textdiff import Hunk, diff_text
from runstore.query.words import CAME, CUT, GONE, KEPT, Piece, diff_words, lines

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "1,000.5", "lazy", "dogs,", "again"]


@pytest.mark.parametrize("seed", range(40))
def test_pieces_give_both_texts(seed: int) -> None:
    """With enough context, what was kept and what went is the old text, what was kept and what came the new one."""
    source = random.Random(seed)
    old = " ".join(source.choices(WORDS, k=source.randrange(0, 40)))
    new = " ".join(source.choices(WORDS, k=source.randrange(0, 40)))
    pieces = diff_words(old, new, context=1000)
    assert "".join(piece.text for piece in pieces if piece.sign in (KEPT, GONE)) == old
    assert "".join(piece.text for piece in pieces if piece.sign in (KEPT, CAME)) == new


def test_a_number_is_one_word() -> None:
    """A number changes as a whole."""
    assert diff_words("up to 1,000.5 km", "up to 2,000.5 km") == (
        Piece(KEPT, "up to "),
        Piece(GONE, "1,000.5"),
        Piece(CAME, "2,000.5"),
        Piece(KEPT, " km"),
    )


def test_words_far_from_a_change_are_left_out() -> None:
    """Only a few words before and after a change are shown."""
    before, after = "a " * 50, " z" * 50
    signs = [piece.sign for piece in diff_words(f"{before}old{after}", f"{before}new{after}", context=3)]
    assert signs == [CUT, KEPT, GONE, CAME, KEPT, CUT]


def test_long_lines_are_told_by_words_and_short_ones_by_lines() -> None:
    """A long line that was changed is one line with its changes; a short one, or one that is wholly another, is two."""
    long = "Answer politely and in the language of the customer. " * 4
    (hunk,) = diff_text(f"short\n{long}\nend", f"SHORT\n{long.replace('customer', 'caller', 1)}\nend").hunks
    assert [line.sign for line in lines(hunk)] == ["-", "+", "~", " "]
    (hunk,) = diff_text(long, "x" * 200).hunks
    assert [line.sign for line in lines(hunk)] == ["-", "+"]


def test_a_long_line_finds_its_counterpart_among_others() -> None:
    """In a stretch where more lines came than went, a long line is told by words beside the one that is like it."""
    text = "The traveller may change a booking free of charge until a day before departure; later changes cost {} euros. " * 2
    rows = (("-", text.format(25, 25)), ("-", "Short."), ("+", "New."), ("+", text.format(25, 30)), ("+", "Brief."), ("+", "Last."))
    signs = [line.sign for line in lines(Hunk(1, 2, 1, 4, rows))]
    assert signs == ["+", "~", "-", "+", "+"]


OPENAI = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "look", "arguments": '{"q": "a"}'}}]}
ANTHROPIC = {"role": "assistant", "content": [{"type": "text", "text": "Hm."}, {"type": "tool_use", "name": "look", "input": {"q": "a"}}]}
GEMINI = {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"q": "a"}}}]}
BEDROCK = {"role": "assistant", "content": [{"toolUse": {"name": "look", "input": {"q": "a"}}}]}
RESPONSES = {"type": "function_call", "name": "look", "arguments": '{"q":"a"}', "call_id": "1"}
OLDER = {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": '{"q": "a"}'}}


@pytest.mark.parametrize("message", [OPENAI, ANTHROPIC, GEMINI, BEDROCK, RESPONSES, OLDER])
def test_calls_of_every_api(message: dict[str, Any]) -> None:
    """A call has its name and its arguments as data, whatever the API; without it the message has no call."""
    assert [(call.name, call.arguments) for call in calls_of(message)] == [("look", {"q": "a"})]
    assert calls_of(without_calls(message)) == []


@pytest.mark.parametrize("value", [None, "text", {"role": "user", "content": "x"}, {"role": "tool", "content": [{"type": "text"}]}, [1]])
def test_what_has_no_call(value: Any) -> None:
    """Other messages, and what is none, have no calls and stay as they are."""
    assert calls_of(value) == []
    assert without_calls(value) == value


def asking(*calls: tuple[str, str]) -> dict[str, Any]:
    """Return a message that calls tools."""
    return {"role": "assistant", "tool_calls": [{"function": {"name": name, "arguments": given}} for name, given in calls]}


def test_calls_by_name_and_argument() -> None:
    """Calls are told as added, removed, changed by argument, and reordered; the spelling of the arguments counts for nothing."""
    found = diff_calls(asking(("a", '{"x":1}'), ("b", "{}"), ("c", "{}")), asking(("b", "{}"), ("a", '{"x": 2, "y": 3}'), ("d", '{"z":0}')))
    assert found is not None
    assert (found.added, found.removed, found.reordered) == (('d({"z":0})',), ("c({})",), True)
    assert [(change.name, [(key.path, key.change) for key in change.keys]) for change in found.changed] == [
        ("a", [("x", "changed"), ("y", "added")])
    ]
    assert diff_calls(asking(("a", '{"x":1}')), asking(("a", '{ "x": 1 }'))) is None
