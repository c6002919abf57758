"""Streams of each API, put together from the pieces that their servers send."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.framing import Stream, amazon_message
from runstore.capture.codecs.restream import STREAMS
from tests.capture.codecs.support import events, named, streamed


def test_a_chat_stream_is_put_together() -> None:
    """Texts are joined, calls are told apart by their index, and padding is left out."""

    def chunk(delta: Any, end: Any = None) -> dict[str, Any]:
        return {
            "id": "c1",
            "object": "chat.completion.chunk",
            "model": "m-1",
            "obfuscation": "xx",
            "choices": [{"index": 0, "delta": delta, "finish_reason": end}],
        }

    answer = streamed("openai.chat", events(
        chunk({"role": "assistant", "content": None}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, "tool_calls"),
        {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3}},
        done=True,
    ))  # fmt: skip
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert answer.output == [{"role": "assistant", "content": None, "tool_calls": calls}]
    assert (answer.status, answer.runtime, answer.usage, answer.response["id"]) == (OK, {"model": "m-1"}, {"prompt_tokens": 3}, "c1")
    assert "obfuscation" not in answer.response["body"]


def test_a_call_from_a_server_without_indexes_is_told_by_its_id() -> None:
    """Two calls with ids are two calls."""
    parts = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    answer = streamed(
        "openai.chat", events(*({"choices": [{"index": 0, "delta": {"tool_calls": [part]}, "finish_reason": "stop"}]} for part in parts))
    )
    assert [call["id"] for call in answer.output[0]["tool_calls"]] == ["a", "b"]


def test_an_anthropic_stream_is_put_together() -> None:
    """Text, thinking with its signature, and the arguments of a call, each from its pieces."""

    def block(index: int, start: Any, *deltas: Any) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    def arguments(piece: str) -> dict[str, Any]:
        return {"type": "input_json_delta", "partial_json": piece}

    signed = {"type": "signature_delta", "signature": "abc"}
    begun = {"id": "m1", "role": "assistant", "model": "claude-1", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}
    told = [
        {"type": "message_start", "message": begun},
        {"type": "ping"},
        *block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "so"}, signed),
        *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "He"}, {"type": "text_delta", "text": "llo"}),
        *block(2, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, arguments('{"a"'), arguments(": 1}")),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 9}},
    ]  # fmt: skip
    content = [
        {"type": "thinking", "thinking": "so", "signature": "abc"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ]
    whole = streamed("anthropic.messages", events(*told, {"type": "message_stop"}))
    assert whole.output == [{"role": "assistant", "content": content}]
    assert (whole.status, whole.usage) == (OK, {"input_tokens": 5, "output_tokens": 9})
    assert streamed("anthropic.messages", events(*told)).status == PARTIAL
    failed = streamed("anthropic.messages", events(*told, {"type": "error", "error": {"type": "overloaded_error"}}))
    assert (failed.status, failed.response["body"]["error"]) == (ERROR, {"type": "overloaded_error"})


def test_a_gemini_stream_is_put_together_from_events_and_from_an_array() -> None:
    """Neighbouring texts are one part; thoughts stay apart; the signature of the last chunk belongs to the text before it."""

    def chunk(*parts: Any, end: Any = None) -> dict[str, Any]:
        candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
        return {"candidates": [candidate | ({"finishReason": end} if end else {})], "modelVersion": "g-1", "responseId": "r"}

    chunks = [
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "He"}),
        chunk({"text": "llo"}),
        chunk({"text": "", "thoughtSignature": "c2ln"}, end="STOP"),
    ]
    parts = [{"text": "hm", "thought": True}, {"text": "Hello", "thoughtSignature": "c2ln"}]
    array = Stream("application/json", json.dumps(chunks).encode())
    for stream in (events(*chunks), array):
        answer = streamed("gemini.generate", stream)
        assert answer.output == [{"parts": parts, "role": "model"}]
        assert (answer.status, answer.runtime) == (OK, {"model": "g-1"})
    assert streamed("gemini.generate", Stream("application/json", array.body[:-40])).status == PARTIAL


def test_a_response_that_was_cut_keeps_the_items_that_came() -> None:
    """Without its last event a response is partial: items done, and the pieces of the one that was being written."""
    answer = streamed("openai.responses", events(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m-1", "status": "in_progress", "temperature": 1.0}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "role": "assistant", "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "He"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "llo"},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "name": "f", "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"},
    ))  # fmt: skip
    assert answer.status == PARTIAL
    assert answer.output == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    assert answer.runtime == {"model": "m-1", "parameters": {"temperature": 1.0}}


def test_bedrock_streams_are_put_together_for_each_family() -> None:
    """The chunks of an invoke stream carry what the family of the model says."""

    def stream(*chunks: Any) -> Stream:
        framed = [
            amazon_message("chunk", json.dumps({"bytes": b64encode(json.dumps(each).encode()).decode(), "p": "abc"}).encode())
            for each in chunks
        ]
        return Stream("application/vnd.amazon.eventstream", b"".join(framed))

    titan = stream(
        {"outputText": "He", "index": 0, "inputTextTokenCount": 3},
        {"outputText": "llo", "index": 0, "totalOutputTextTokenCount": 2, "completionReason": "FINISH"},
    )
    llama = stream({"generation": "He"}, {"generation": "llo", "stop_reason": "stop"})
    mistral = stream({"outputs": [{"text": "He", "stop_reason": None}]}, {"outputs": [{"text": "llo", "stop_reason": "stop"}]})
    for each in (titan, llama, mistral):
        answer = streamed("bedrock.invoke", each)
        assert (answer.status, answer.output) == (OK, ["Hello"])
    nova = stream(
        {"messageStart": {"role": "assistant"}}, {"contentBlockDelta": {"delta": {"text": "He"}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "llo"}, "contentBlockIndex": 1}}, {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 2}}},
    )  # fmt: skip
    answer = streamed("bedrock.invoke", nova)
    assert (answer.output, answer.usage) == ([{"role": "assistant", "content": [{"text": "Hello"}]}], {"inputTokens": 2})


def test_cohere_streams_are_put_together() -> None:
    """The second API tells pieces; the first repeats the whole answer at its end."""
    second = streamed("cohere.chat.v2", events(
        {"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 1}}}},
    ))  # fmt: skip
    assert (second.status, second.output) == (OK, [{"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}])
    end = {
        "event_type": "stream-end",
        "finish_reason": "COMPLETE",
        "response": {"response_id": "r", "text": "Hi", "finish_reason": "COMPLETE"},
    }
    lines = "\n".join(json.dumps(each) for each in ({"event_type": "text-generation", "text": "Hi"}, end)).encode()
    first = streamed("cohere.chat.v1", Stream("application/stream+json", lines))
    assert (first.status, first.output) == (OK, [{"role": "CHATBOT", "message": "Hi"}])


def test_bedrock_makes_streams_of_the_forms_of_other_apis() -> None:
    """A chat and a completion, as open models answer, and Cohere's events, each from an answer in one piece and back."""
    message = {"role": "assistant", "content": "Hello"}
    chat = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    completion = {"id": "c", "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    for body, output in ((chat, [message]), (completion, ["Hello"]), ({"text": "Hello", "finish_reason": "COMPLETE"}, ["Hello"])):
        made = STREAMS["bedrock.invoke"](body)
        assert made is not None
        answer = streamed("bedrock.invoke", made, {"history": []})
        assert (answer.status, answer.output, answer.usage) == (OK, output, body.get("usage"))
        assert named("bedrock.invoke").rebuild_response(answer).items() >= body.items()
    for none in ({"embedding": [0.5]}, {"id": 1, "completions": [{"data": {"text": "Hello"}}]}, {"images": ["aGk="]}):
        assert STREAMS["bedrock.invoke"](none) is None
