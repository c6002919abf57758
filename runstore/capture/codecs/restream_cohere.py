"""Streams made of Cohere's answers in one piece: both chat APIs, and the older generate."""

from __future__ import annotations

from typing import Any

from runstore.capture.codecs.answer import mapping, maps
from runstore.capture.codecs.framing import Stream, lines, named

_LINES = "application/stream+json"


def second(body: dict[str, Any]) -> Stream:
    """Stream a chat of the second API."""
    message = mapping(body.get("message"))
    rest = {key: item for key, item in message.items() if key not in ("content", "tool_calls", "citations", "tool_plan")}
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": body.get("id"), "delta": {"message": {**rest, "content": [], "tool_plan": "", "tool_calls": []}}}
    ]
    if isinstance(message.get("tool_plan"), str):
        events.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": message["tool_plan"]}}})
    for index, block in enumerate(maps(message.get("content"))):
        events += _content(index, block)
    for index, call in enumerate(maps(message.get("tool_calls"))):
        events += _call(index, call)
    for index, citation in enumerate(maps(message.get("citations"))):
        events.append({"type": "citation-start", "index": index, "delta": {"message": {"citations": citation}}})
        events.append({"type": "citation-end", "index": index})
    events.append({"type": "message-end", "delta": {key: item for key, item in body.items() if key not in ("id", "message")}})
    return named(events)


def first(body: dict[str, Any]) -> Stream:
    """Stream a chat of the first API: what was said, and the whole at the end."""
    return lines(_LINES, first_events(body))


def first_events(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a chat of the first API."""
    events: list[dict[str, Any]] = [{"is_finished": False, "event_type": "stream-start", "generation_id": body.get("generation_id")}]
    if isinstance(body.get("text"), str) and body["text"]:
        events.append({"is_finished": False, "event_type": "text-generation", "text": body["text"]})
    for key, kind in (("citations", "citation-generation"), ("tool_calls", "tool-calls-generation")):
        if isinstance(body.get(key), list) and body[key]:
            events.append({"is_finished": False, "event_type": kind, key: body[key]})
    end = {"is_finished": True, "event_type": "stream-end", "finish_reason": body.get("finish_reason", "COMPLETE"), "response": body}
    return [*events, end]


def generate(body: dict[str, Any]) -> Stream:
    """Stream a generated text."""
    said = [
        {"event_type": "text-generation", "is_finished": False, "index": index, "text": found["text"]}
        for index, found in enumerate(maps(body.get("generations")))
        if isinstance(found.get("text"), str)
    ]
    end = {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE", "response": body}
    return lines(_LINES, [*said, end])


def _content(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    key = next((name for name in ("text", "thinking") if isinstance(block.get(name), str)), None)
    start = block if key is None else {**block, key: ""}
    events: list[dict[str, Any]] = [{"type": "content-start", "index": index, "delta": {"message": {"content": start}}}]
    if key is not None:
        events.append({"type": "content-delta", "index": index, "delta": {"message": {"content": {key: block[key]}}}})
    return [*events, {"type": "content-end", "index": index}]


def _call(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    function = mapping(call.get("function"))
    start = {**call, "function": {**function, "arguments": ""}}
    piece = {"function": {"arguments": function.get("arguments", "")}}
    return [
        {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": start}}},
        {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": piece}}},
        {"type": "tool-call-end", "index": index},
    ]
