"""Answers: both forms of one answer give the same output, and an output is what the next history holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.capture.codecs import Answer
from runstore.capture.codecs.contract import ERROR, INTERRUPTED, OK, PARTIAL
from runstore.capture.codecs.framing import Stream
from runstore.capture.codecs.restream import STREAMS
from runstore.errors import InvalidInput
from runstore.model.encoding import encode
from runstore.model.run import list_part
from tests.capture.codecs.answers import ANSWERS
from tests.capture.codecs.strategies import VALUES
from tests.capture.codecs.support import JSON, URLS, answered, decode, named, streamed

KEYS = [
    "choices", "content", "output", "message", "candidates", "usage", "error", "response", "data", "text", "results", "model",
    "embeddings", "status", "type", "delta", "index", "event_type",
]  # fmt: skip
ANSWERLIKE = st.dictionaries(st.sampled_from(KEYS), VALUES)
STATUSES = st.sampled_from([200, 404])


def restreamed(name: str, body: Any) -> Stream:
    """Return an answer in one piece as a stream."""
    made = STREAMS[name](body)
    assert made is not None
    return made


def without_nulls(value: Any) -> Any:
    """Return a value without the keys that say nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(ANSWERS))
@given(data=st.data())
@settings(max_examples=40)
def test_both_forms_of_one_answer_give_the_same_output(name: str, data: st.DataObject) -> None:
    """Streamed or not: one output, one runtime, one usage."""
    body = data.draw(ANSWERS[name])
    one, many = answered(name, body), streamed(name, restreamed(name, body))
    assert one.status == many.status == OK
    assert encode(one.output) == encode(many.output)
    assert (one.runtime, one.usage) == (many.runtime, many.usage)
    assert many.response["streamed"] is True


@pytest.mark.parametrize("name", sorted(ANSWERS))
@given(data=st.data())
@settings(max_examples=40)
def test_an_answer_is_written_again_from_its_parts(name: str, data: st.DataObject) -> None:
    """Output, runtime, usage and response together are the body; fields that were null may be left out."""
    body = data.draw(ANSWERS[name])
    assert without_nulls(named(name).rebuild_response(answered(name, body))) == without_nulls(body)


@pytest.mark.parametrize("name", sorted(ANSWERS))
@given(data=st.data(), share=st.floats(0, 0.9))
@settings(max_examples=40)
def test_a_stream_that_was_cut_is_partial_unless_its_end_had_come(name: str, data: st.DataObject, share: float) -> None:
    """What is called complete equals the whole answer; all else is called partial."""
    body = data.draw(ANSWERS[name])
    whole = restreamed(name, body)
    cut = streamed(name, Stream(whole.media_type, whole.body[: int(len(whole.body) * share)]))
    assert cut.status in (OK, PARTIAL)
    if cut.status == OK:
        assert cut.output == answered(name, body).output


@pytest.mark.parametrize("name", sorted(URLS))
@given(
    value=st.one_of(VALUES, ANSWERLIKE),
    kind=st.sampled_from(["application/json", "text/event-stream", "application/x-ndjson", ""]),
    status=STATUSES,
)
@settings(max_examples=50)
def test_no_answer_raises_and_all_can_be_stored(name: str, value: Any, kind: str, status: int) -> None:
    """Whatever a server says, it is decoded to values that a store takes."""
    text = json.dumps(value)
    for body in (text, f"data: {text}\n\n", text + "\n" + text, text[:-1]):
        answer = named(name).decode_response(status, {"content-type": kind}, body.encode(), {"history": [value], "parameters": value})
        encode([answer.output, answer.runtime, answer.usage, answer.response])
        assert answer.status in (OK, ERROR, PARTIAL, INTERRUPTED)


@pytest.mark.parametrize("name", sorted(URLS))
@given(body=st.binary(max_size=80))
@settings(max_examples=40)
def test_no_bytes_of_an_answer_raise(name: str, body: bytes) -> None:
    """Bytes that are no answer are kept as they came."""
    for kind in ("application/json", "text/event-stream", "application/vnd.amazon.eventstream", "application/x-ndjson"):
        encode(named(name).decode_response(200, {"content-type": kind}, body).response)


@pytest.mark.parametrize(
    ("status", "told"), [("completed", OK), ("incomplete", OK), ("failed", ERROR), ("cancelled", INTERRUPTED), ("queued", PARTIAL)]
)
def test_a_response_states_how_it_ended(status: str, told: str) -> None:
    """A response in the background is not complete yet."""
    assert answered("openai.responses", {"status": status, "output": [{"type": "message"}]}).status == told


@pytest.mark.parametrize("name", sorted(URLS))
def test_an_error_is_kept_and_has_no_output(name: str) -> None:
    """What the provider said is there to read; the run is not said to have answered."""
    answer = answered(name, {"error": {"message": "no"}}, status=429)
    assert answer == Answer(
        ERROR, None, None, None, {"status": 429, "headers": {"content-type": "application/json"}, "body": {"error": {"message": "no"}}}
    )
    page = named(name).decode_response(502, {}, b"<html>bad gateway")
    assert (page.status, page.response["body"]) == (ERROR, "<html>bad gateway")


def test_an_answer_and_the_history_that_quotes_it_share_their_objects() -> None:
    """Turn k's output is an element of turn k+1's history, for each of the four APIs."""
    message: dict[str, Any] = {"role": "assistant", "content": "4", "refusal": None, "annotations": []}
    chat = answered("openai.chat", {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    claude = answered(
        "anthropic.messages", {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "4", "citations": None}]}
    )
    gemini = answered("gemini.generate", {"candidates": [{"content": {"role": "model", "parts": [{"text": "4"}]}, "finishReason": "STOP"}]})
    responses = answered("openai.responses", {"output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]})
    quoted: list[tuple[str, str, Answer, dict[str, Any]]] = [
        ("openai.chat", "messages", chat, {"role": "assistant", "content": "4"}),
        ("anthropic.messages", "messages", claude, {"role": "assistant", "content": [{"type": "text", "text": "4"}]}),
        ("gemini.generate", "contents", gemini, {"parts": [{"text": "4"}], "role": "model"}),
        ("openai.responses", "input", responses, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}),
    ]
    for name, field, answer, quote in quoted:
        history = decode(name, {field: [{"role": "user", "content": "2+2?"}, quote]}).slots["history"]
        assert list_part(history[1:]).link == list_part(answer.output).link


@pytest.mark.parametrize(
    ("name", "body", "history", "output"),
    [
        (
            "openai.chat",
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "4", "refusal": None}}]},
            [{"content": "3", "refusal": None, "role": "assistant"}],
            {"content": "4", "refusal": None, "role": "assistant"},
        ),
        (
            "openai.chat",
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}}]},
            [{"role": "assistant", "content": [{"type": "text", "text": "3"}]}],
            {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
        ),
        (
            "openai.chat",
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "",
                            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                        },
                    }
                ]
            },
            [{"role": "assistant", "tool_calls": [{"id": "b", "function": {"arguments": "", "name": "f"}, "type": "function"}]}],
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}", "name": "f"}, "type": "function"}]},
        ),
        (
            "gemini.generate",
            {
                "candidates": [
                    {
                        "content": {
                            "parts": [{"functionCall": {"name": "f", "args": {"b": 1, "a": 2}}, "thoughtSignature": "a+b/"}],
                            "role": "model",
                        }
                    }
                ]
            },
            [{"role": "model", "parts": [{"functionCall": {"args": {"a": 0}, "name": "f"}, "thoughtSignature": "-_-_"}]}],
            {"role": "model", "parts": [{"functionCall": {"args": {"b": 1, "a": 2}, "name": "f"}, "thoughtSignature": "a-b_"}]},
        ),
        (
            "openai.responses",
            {"output": [{"id": "f", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "c", "name": "f"}]},
            [{"type": "function_call", "id": "e", "call_id": "d", "name": "f", "arguments": ""}],
            {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
        ),
    ],
)
def test_an_answer_takes_the_shape_that_the_client_gives_its_messages(name: str, body: Any, history: Any, output: Any) -> None:
    """Order of keys, empty fields and the form of a text follow what the client sent before; nothing is lost by it."""
    answer = answered(name, body, asked={"history": history})
    assert json.dumps(answer.output) == json.dumps([output])
    assert without_nulls(named(name).rebuild_response(answer)) == without_nulls(body)


def test_what_answered_goes_to_the_runtime_and_what_varies_does_not() -> None:
    """Model and fingerprint served are the runtime; ids, times and the tier are the execution's."""
    body = {
        "id": "x",
        "created": 1,
        "model": "m-1",
        "system_fingerprint": "fp",
        "service_tier": "default",
        "choices": [{"message": {"role": "assistant", "content": ""}}],
    }
    answer = answered("openai.chat", body)
    assert answer.runtime == {"model": "m-1", "fingerprint": "fp"}
    assert (answer.response["id"], answer.response["body"]["service_tier"]) == ("x", "default")


@pytest.mark.parametrize("depth", [50, 62, 70, 500, 5000])
def test_an_answer_of_any_depth_can_be_stored(depth: int) -> None:
    """What is too deep to be a value is kept as text."""
    body = b'{"choices":[{"message":{"role":"assistant","content":' + b"[" * depth + b"]" * depth + b"}}]}"
    answer = named("openai.chat").decode_response(200, JSON, body)
    encode([answer.output])
    encode(answer.response)


def test_media_in_an_answer_are_bytes() -> None:
    """A picture that was generated is stored as one, and the body is written again with its text."""
    body = {"output": [{"type": "image_generation_call", "id": "i", "status": "completed", "result": "AAEC"}], "status": "completed"}
    answer = answered("openai.responses", body)
    assert answer.output[0]["result"] == b"\x00\x01\x02"
    assert named("openai.responses").rebuild_response(answer)["output"] == body["output"]


def test_a_response_that_was_no_object_cannot_be_written_again() -> None:
    """An ordinary error says so."""
    answer = named("openai.chat").decode_response(502, {}, b"bad gateway")
    with pytest.raises(InvalidInput):
        named("openai.chat").rebuild_response(answer)
