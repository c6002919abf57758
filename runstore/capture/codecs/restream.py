"""Streams made of answers in one piece: what a server would have sent had it been asked to stream, each text in one delta.

Read again, such a stream gives the same output, runtime and usage as the body it was made of.
Source: docs/spec/wire/README.md, "Streams from bodies".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runstore.capture.codecs.answer import mapping, maps
from runstore.capture.codecs.framing import Stream, lines, named, unnamed
from runstore.capture.codecs.restream_bedrock import converse, invoke
from runstore.capture.codecs.restream_cohere import first, first_events, generate, second
from runstore.capture.codecs.restream_responses import responses


def chat(body: dict[str, Any]) -> Stream:
    """Stream a chat completion: for each choice its message, then its end; then the usage."""
    return unnamed(_chat(body), done=True)


def mistral(body: dict[str, Any]) -> Stream:
    """Stream a chat completion of Mistral, whose usage stands in the last chunk with a choice."""
    chunks = _chat({key: value for key, value in body.items() if key != "usage"})
    if chunks and body.get("usage") is not None:
        chunks[-1]["usage"] = body["usage"]
    return unnamed(chunks, done=True)


def completions(body: dict[str, Any]) -> Stream:
    """Stream a completion."""
    common = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    chunks: list[Any] = [{**common, "choices": [choice]} for choice in maps(body.get("choices"))]
    if body.get("usage") is not None:
        chunks.append({**common, "choices": [], "usage": body["usage"]})
    return unnamed(chunks, done=True)


def anthropic(body: dict[str, Any]) -> Stream:
    """Stream a message: each block begun, filled and ended."""
    return named(_anthropic(body))


def gemini(body: dict[str, Any]) -> Stream:
    """Stream a generated content: one chunk says it all."""
    return unnamed([body])


def ollama(body: dict[str, Any]) -> Stream:
    """Stream a chat or a generated text: a line with the words, a line with the end."""
    text: dict[str, Any] = {"message": body["message"]} if "message" in body else {"response": body.get("response", "")}
    last: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if "message" in body else {"response": ""}
    start: dict[str, Any] = {key: body[key] for key in ("model", "created_at") if key in body}
    return lines("application/x-ndjson", [{**start, **text, "done": False}, {**body, **last}])


STREAMS: dict[str, Callable[[dict[str, Any]], Stream | None]] = {
    "openai.chat": chat,
    "mistral.chat": mistral,
    "openai.completions": completions,
    "openai.responses": responses,
    "anthropic.messages": anthropic,
    "gemini.generate": gemini,
    "ollama.chat": ollama,
    "ollama.generate": ollama,
    "bedrock.converse": converse,
    "bedrock.invoke": lambda body: invoke(body, _anthropic, _chat, first_events),
    "cohere.chat.v1": first,
    "cohere.chat.v2": second,
    "cohere.generate": generate,
}
"""The APIs whose answers can be made into streams, by the codec's name. None: an answer of a kind that is not streamed."""


def _chat(body: dict[str, Any]) -> list[dict[str, Any]]:
    common = {**{key: value for key, value in body.items() if key not in ("choices", "usage")}, "object": "chat.completion.chunk"}
    chunks: list[dict[str, Any]] = []
    for choice in maps(body.get("choices")):
        rest = {key: value for key, value in choice.items() if key not in ("message", "finish_reason")}
        if "message" in choice:
            chunks.append({**common, "choices": [{**rest, "delta": _numbered(mapping(choice["message"])), "finish_reason": None}]})
        chunks.append({**common, "choices": [{"index": choice.get("index", 0), "delta": {}, "finish_reason": choice.get("finish_reason")}]})
    if body.get("usage") is not None:
        chunks.append({**common, "choices": [], "usage": body["usage"]})
    return chunks


def _numbered(message: Any) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return dict(message)
    return {**message, "tool_calls": [{"index": at, **call} if isinstance(call, dict) else call for at, call in enumerate(calls)]}


_DELTAS = {"text": ("text", "text_delta"), "thinking": ("thinking", "thinking_delta")}


def _anthropic(body: dict[str, Any]) -> list[dict[str, Any]]:
    ends = {key: body[key] for key in ("stop_reason", "stop_sequence") if key in body}
    begun: dict[str, Any] = {**body, "content": [], **dict.fromkeys(ends)}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(body.get("content") or ()):
        empty, deltas = _anthropic_block(mapping(block))
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": ends, "usage": body.get("usage")})
    events.append({"type": "message_stop"})
    return events


def _anthropic_block(block: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block.get("type")
    deltas: list[dict[str, Any]] = []
    empty = dict(block)
    if kind in _DELTAS:
        key, delta = _DELTAS[kind]
        empty[key] = ""
        if block.get("citations"):
            empty["citations"] = []
            deltas += [{"type": "citations_delta", "citation": citation} for citation in block["citations"]]
        deltas.append({"type": delta, key: block.get(key)})
        if "signature" in block:
            empty["signature"] = ""
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif isinstance(block.get("input"), dict):
        empty["input"] = {}
        deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"], ensure_ascii=False)})
    return empty, deltas
