"""The fake provider's streams: answers in pieces, as each API sends them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runstore.capture.codecs.framing import SSE, Stream, json_bytes
from runstore.capture.codecs.restream import STREAMS

_EVENT = re.compile(rb".*?\n\n|.+\Z", re.DOTALL)
_LINE = re.compile(rb".*?\n|.+\Z", re.DOTALL)


def stream(api: str, body: dict[str, Any], asked: Mapping[str, Any], *, array: bool = False) -> tuple[str, list[bytes]]:
    """Return content type and chunks of a streamed answer. `array`: Gemini's form without `alt=sse`."""
    if api in ("openai.chat", "mistral.chat"):
        return SSE, _chat(body, usage=bool((asked.get("stream_options") or {}).get("include_usage")) or api == "mistral.chat")
    if api == "openai.responses":
        return SSE, _responses(body)
    if api == "cohere.chat.v2":
        return SSE, _cohere(body)
    if api == "gemini.generate" and array:
        return "application/json", [b"[", json_bytes(body), b"]"]
    made: Stream | None = STREAMS[api](body)
    assert made is not None
    parts = _EVENT if made.media_type == SSE else _LINE
    return made.media_type, [made.body] if made.media_type.startswith("application/vnd") else parts.findall(made.body)


def pieces(text: str) -> list[str]:
    """Cut a text as models say it: a word with the space after it."""
    return re.findall(r"\S+\s*|\s+", text) or [""]


def _chat(body: dict[str, Any], *, usage: bool) -> list[bytes]:
    choice = body["choices"][0]
    message = choice["message"]
    common = {**{key: value for key, value in body.items() if key not in ("choices", "usage")}, "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if message["content"] is not None else None}]
    if message.get("tool_calls"):
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(message["tool_calls"])]
    else:
        deltas += [{"content": piece} for piece in pieces(message["content"])]
    chunks: list[dict[str, Any]] = [{**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage:
        chunks.append({**common, "choices": [], "usage": body["usage"]})
    return [*(b"data: " + json_bytes(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def _responses(body: dict[str, Any]) -> list[bytes]:
    begun = {**body, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(body["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        told = item["type"] == "message"
        empty = {**item, "status": "in_progress", **({"content": []} if told else {"arguments": ""})}
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if told:
            part = item["content"][0]
            place = {**at, "content_index": 0}
            events.append({"type": "response.content_part.added", **place, "part": {**part, "text": ""}})
            events += [{"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in pieces(part["text"])]
            events.append({"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []})
            events.append({"type": "response.content_part.done", **place, "part": part})
        else:
            named = {"name": item["name"], "arguments": item["arguments"]}
            events.append({"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]})
            events.append({"type": "response.function_call_arguments.done", **at, **named})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": body})
    return [_named({**event, "sequence_number": number}) for number, event in enumerate(events)]


def _cohere(body: dict[str, Any]) -> list[bytes]:
    text = body["message"]["content"][0]["text"]
    begun = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": body["id"], "delta": {"message": begun}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        *({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}} for piece in pieces(text)),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": body["finish_reason"], "usage": body["usage"]}},
    ]
    return [_named(event) for event in events]


def _named(event: dict[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + json_bytes(event) + b"\n\n"
