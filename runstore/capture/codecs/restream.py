"""Streams made of answers in one piece: what a server would have sent had it been asked to stream, each text in one delta.

Read again, such a stream gives the same output, runtime and usage as the body it was made of.
Source: docs/spec/wire/README.md, "Streams from bodies".
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from runstore.capture.codecs.answer import AMAZON, mapping, maps

SSE = "text/event-stream"


class Stream(NamedTuple):
    """A streamed body and the content type that goes with it."""

    media_type: str
    body: bytes


def chat(body: dict[str, Any]) -> Stream:
    """Stream a chat completion: for each choice its message, then its end; then the usage."""
    common = {**{key: value for key, value in body.items() if key not in ("choices", "usage")}, "object": "chat.completion.chunk"}
    chunks: list[Any] = []
    for choice in maps(body.get("choices")):
        rest = {key: value for key, value in choice.items() if key not in ("message", "finish_reason")}
        if "message" in choice:
            chunks.append({**common, "choices": [{**rest, "delta": _numbered(mapping(choice["message"])), "finish_reason": None}]})
        chunks.append({**common, "choices": [{"index": choice.get("index", 0), "delta": {}, "finish_reason": choice.get("finish_reason")}]})
    if body.get("usage") is not None:
        chunks.append({**common, "choices": [], "usage": body["usage"]})
    return Stream(SSE, _data(chunks, done=True))


def completions(body: dict[str, Any]) -> Stream:
    """Stream a completion."""
    common = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    chunks: list[Any] = [{**common, "choices": [choice]} for choice in maps(body.get("choices"))]
    if body.get("usage") is not None:
        chunks.append({**common, "choices": [], "usage": body["usage"]})
    return Stream(SSE, _data(chunks, done=True))


def responses(body: dict[str, Any]) -> Stream:
    """Stream a response: its items added and done, then the whole."""
    started = {**body, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": started}]
    for index, item in enumerate(body.get("output") or ()):
        for kind in ("response.output_item.added", "response.output_item.done"):
            events.append({"type": kind, "output_index": index, "item": item})
    status = body.get("status")
    events.append({"type": f"response.{status if status in ('failed', 'incomplete', 'cancelled') else 'completed'}", "response": body})
    return Stream(SSE, _named({**event, "sequence_number": number} for number, event in enumerate(events)))


def anthropic(body: dict[str, Any]) -> Stream:
    """Stream a message: each block begun, filled and ended."""
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
    return Stream(SSE, _named(events))


def gemini(body: dict[str, Any]) -> Stream:
    """Stream a generated content: one chunk says it all."""
    return Stream(SSE, _data([body]))


def ollama(body: dict[str, Any]) -> Stream:
    """Stream a chat or a generated text: a line with the words, a line with the end."""
    text: dict[str, Any] = {"message": body["message"]} if "message" in body else {"response": body.get("response", "")}
    last: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if "message" in body else {"response": ""}
    start: dict[str, Any] = {key: body[key] for key in ("model", "created_at") if key in body}
    lines: list[dict[str, Any]] = [{**start, **text, "done": False}, {**body, **last}]
    return Stream("application/x-ndjson", b"".join(_json(line) + b"\n" for line in lines))


def converse(body: dict[str, Any]) -> Stream:
    """Stream a converse answer."""
    message = mapping(mapping(body.get("output")).get("message"))
    events: list[tuple[str, Any]] = [("messageStart", {"role": message.get("role", "assistant")})]
    for index, block in enumerate(message.get("content") or ()):
        start, delta = _converse_block(mapping(block))
        if start:
            events.append(("contentBlockStart", {"start": start, "contentBlockIndex": index}))
        events.extend(("contentBlockDelta", {"delta": one, "contentBlockIndex": index}) for one in delta)
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    stop = {key: body[key] for key in ("stopReason", "additionalModelResponseFields") if key in body}
    events.append(("messageStop", stop))
    events.append(("metadata", {key: value for key, value in body.items() if key not in ("output", *stop)}))
    return Stream(AMAZON, b"".join(amazon_message(name, _json(data)) for name, data in events))


STREAMS: dict[str, Callable[[dict[str, Any]], Stream]] = {
    "openai.chat": chat,
    "mistral.chat": chat,
    "openai.completions": completions,
    "openai.responses": responses,
    "anthropic.messages": anthropic,
    "gemini.generate": gemini,
    "ollama.chat": ollama,
    "ollama.generate": ollama,
    "bedrock.converse": converse,
}
"""The APIs whose answers can be made into streams, by the codec's name."""


def amazon_message(name: str, payload: bytes) -> bytes:
    """Frame one event of an AWS event stream."""
    headers = b"".join(
        bytes((len(key),)) + key + b"\x07" + struct.pack(">H", len(value)) + value
        for key, value in ((b":event-type", name.encode()), (b":content-type", b"application/json"), (b":message-type", b"event"))
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return framed + struct.pack(">I", zlib.crc32(framed))


def _numbered(message: Any) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return dict(message)
    return {**message, "tool_calls": [{"index": at, **call} if isinstance(call, dict) else call for at, call in enumerate(calls)]}


_DELTAS = {"text": ("text", "text_delta"), "thinking": ("thinking", "thinking_delta")}


def _anthropic_block(block: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block.get("type")
    deltas: list[dict[str, Any]] = []
    empty = dict(block)
    if kind in _DELTAS:
        key, delta = _DELTAS[kind]
        empty[key] = ""
        deltas.append({"type": delta, key: block.get(key)})
        if "signature" in block:
            empty["signature"] = ""
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif isinstance(block.get("input"), dict):
        empty["input"] = {}
        deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"], ensure_ascii=False)})
    return empty, deltas


def _converse_block(block: Any) -> tuple[Any, list[Any]]:
    use = block.get("toolUse")
    if isinstance(use, dict):
        rest = {key: value for key, value in use.items() if key != "input"}
        return {"toolUse": rest}, [{"toolUse": {"input": json.dumps(use.get("input"), ensure_ascii=False)}}]
    reasoning = mapping(block.get("reasoningContent"))
    if isinstance(reasoning.get("reasoningText"), dict):
        return None, [{"reasoningContent": {key: value}} for key, value in reasoning["reasoningText"].items()]
    return None, [block]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _data(chunks: list[Any], *, done: bool = False) -> bytes:
    lines = [b"data: " + _json(chunk) + b"\n\n" for chunk in chunks]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def _named(events: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: " + str(event["type"]).encode() + b"\ndata: " + _json(event) + b"\n\n" for event in events)
