"""Summaries and texts of the shapes that the common APIs use."""

from __future__ import annotations

from typing import Any

import pytest

from runstore.query.content import last_line, one_line, readable, role_of, strings, text_of, tool_names
from runstore.query.summary import WIDTH, Summaries, Tokens, first_line, tokens
from tests.query.conftest import Archive


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("plain", "plain"),
        ({"role": "user", "content": "Hi"}, "Hi"),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:x"}]}, "a\n[image]"),
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
            },
            'f({"x":1})',
        ),
        (
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}],
            },
            'so\nf({"x":1})',
        ),
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "42"}]}, "42"),
        ({"role": "tool", "tool_call_id": "1", "content": "42"}, "42"),
        ({"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f", "args": {"x": 1}}}]}, 'a\nf({"x":1})'),
        ({"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "…"}}]}, "[data]"),
        ({"role": "user", "content": [{"text": "a"}, {"toolResult": {"toolUseId": "1", "content": [{"text": "b"}]}}]}, "a\nb"),
        ({"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]}, "f({})"),
        ({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"}, "f({})"),
        ({"type": "function_call_output", "call_id": "1", "output": "42"}, "42"),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "because"}]}, "because"),
        ({"role": "USER", "message": "Cohere"}, "Cohere"),
        ({"unknown": 1}, '{"unknown":1}'),
        (None, ""),
    ],
)
def test_text_of_messages(message: Any, text: str) -> None:
    """The text of each shape is what people would read of it."""
    assert text_of(message).replace('": ', '":') == text


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ({"type": "function", "function": {"name": "a"}}, ["a"]),
        ({"type": "function", "name": "a"}, ["a"]),
        ({"name": "a", "input_schema": {}}, ["a"]),
        ({"toolSpec": {"name": "a"}}, ["a"]),
        ({"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, ["a", "b"]),
        ({"type": "web_search_preview"}, ["web_search_preview"]),
        ({"googleSearch": {}}, ["googleSearch"]),
        ("no tool", []),
    ],
)
def test_tool_names(tool: Any, names: list[str]) -> None:
    """The name of a tool is found in each API's shape."""
    assert tool_names(tool) == names


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (10, 5)),
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5)),
        ({"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 1, "output_tokens": 5}, (111, 5)),
        ({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 20}, (10, 25)),
        ({"inputTokens": 10, "outputTokens": 5}, (10, 5)),
        ({"prompt_eval_count": 10, "eval_count": 5}, (10, 5)),
        ({"billed_units": {"input_tokens": 10, "output_tokens": 5}}, (10, 5)),
        ({"tokens": {"input_tokens": 12}, "billed_units": {"input_tokens": 10}}, (12, None)),
        ({"prompt_tokens": True, "completion_tokens": "5"}, (None, None)),
        ({}, (None, None)),
        (None, (None, None)),
    ],
)
def test_tokens(usage: Any, expected: tuple[int | None, int | None]) -> None:
    """Tokens are read in the names of each API, and nothing is made up."""
    assert tokens(usage) == Tokens(*expected)


@pytest.mark.parametrize("text", ["", "short", "a  b\n c", "x" * WIDTH, "x" * (WIDTH + 1), "word " * 100, "\n" * 500 + "end", " " * 1000])
def test_lines_are_one_line_of_the_width(text: str) -> None:
    """Starts and ends are one line, no longer than asked, and whole where they fit."""
    for line in (one_line(text, WIDTH), last_line(text, WIDTH)):
        assert len(line) <= WIDTH
        assert "\n" not in line
    whole = " ".join(text.split())
    if len(text) <= WIDTH:
        assert one_line(text, WIDTH) == last_line(text, WIDTH) == whole
    elif len(whole) > WIDTH:
        assert one_line(text, WIDTH).endswith("…")
        assert last_line(text, WIDTH).startswith("…")


def test_summary_of_an_execution(archive: Archive) -> None:
    """A summary tells the model asked and served, tokens, the question's end and the answer's start."""
    archive.add(
        slots={
            "model": {"name": "gpt-4o"},
            "history": [{"role": "user", "content": "first"}, {"role": "user", "content": "A long question that ends: how much is 2 + 2?"}],
        },
        output=[{"role": "assistant", "content": "It is 4, and this is how one finds out about it"}],
        usage={"prompt_tokens": 10, "completion_tokens": 2},
    )
    with archive.read() as reader:
        summary = Summaries(reader.get).of(archive.log()[0].execution)
    assert (summary.model, summary.served, summary.tokens) == ("gpt-4o", "gpt-4o-2024-08-06", Tokens(10, 2))
    assert summary.question.startswith("…")
    assert summary.question.endswith("how much is 2 + 2?")
    assert summary.answer.startswith("It is 4, and")
    assert summary.answer.endswith("…")


def test_summary_where_little_is_known(archive: Archive) -> None:
    """Unknown slots leave a summary empty, not wrong; without a history the prompt is the question."""
    archive.repo.add({"prompt": "Complete me"}, output=None)
    with archive.read() as reader:
        summary = Summaries(reader.get).of(archive.log()[0].execution)
    assert summary == ("", None, (None, None), "Complete me", "")


def test_summary_of_a_merge(archive: Archive) -> None:
    """A merge has an empty summary."""
    archive.merge(archive.ask("a", ref="a"), archive.ask("b", ref="b"))
    with archive.read() as reader:
        assert Summaries(reader.get).of(archive.log("main", limit=1)[0].execution).question == ""


def test_served_name_that_is_the_same_is_not_repeated(archive: Archive) -> None:
    """Where the model that answered has the name that was asked for, it is not told twice."""
    archive.add()
    with archive.read() as reader:
        assert Summaries(reader.get).of(archive.log()[0].execution).served is None


def test_first_lines_of_every_kind(archive: Archive) -> None:
    """The first line of each kind of object tells what it is."""
    archive.add(slots={"documents": [b"plain text", b"\x00\x01"]}, output=[{"role": "assistant", "content": "4"}])
    tag = archive.repo.tag("v1", "main")
    with archive.read() as reader:
        lines = {
            text: first_line(reader.get(archive.resolve(text).link.id), reader.get)
            for text in ("main", "main^{run}", "main:history", "main:history/0", "main:prompt", "main:parameters", tag.hex)
        }
        assert first_line(reader.get(archive.resolve("main:documents/0").link.id), reader.get).startswith("[blob")
    assert lines["main"] == "gpt-4o-2024-08-06: 2 + 2? → 4"
    assert lines["main^{run}"] == "gpt-4o-2024-08-06: 2 + 2?"
    assert lines["main:history"] == "1 element: 2 + 2?"
    assert lines["main:history/0"] == "2 + 2?"
    assert lines["main:prompt"] == "You are terse."
    assert "seed" in lines["main:parameters"]
    assert lines[tag.hex].startswith("v1 → execution:")


def test_first_line_of_a_merge(archive: Archive) -> None:
    """A merge says how many it joins."""
    merge = archive.merge(archive.ask("a", ref="a"), archive.ask("b", ref="b"))
    with archive.read() as reader:
        assert first_line(reader.get(merge.id), reader.get) == "merge of 2 executions"


def test_readable_messages_have_their_roles() -> None:
    """Messages as lines stand below their roles; a plain text block stands alone."""
    assert readable([{"role": "system", "content": "Be kind."}, {"type": "text", "text": "And brief."}]) == "[system]\nBe kind.\nAnd brief."
    assert role_of({"type": "function_call"}) == "function_call"


def test_strings_are_in_reading_order() -> None:
    """Strings come in the order in which they stand, with typed paths."""
    value = {"b": ["x", {"c": "y"}], "a": "z", "role": "user", "properties": {"p": {"type": "string"}}}
    assert list(strings(value, skip=("role", "type"))) == [
        (("b", 0), "x"),
        (("b", 1, "c"), "y"),
        (("a",), "z"),
        (("properties", "p"), "p"),
    ]
