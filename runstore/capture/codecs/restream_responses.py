"""Streams made of responses: each item is begun, said part by part, and done; then the whole."""

from __future__ import annotations

from typing import Any

from runstore.capture.codecs.answer import mapping, maps
from runstore.capture.codecs.framing import Stream, named

_ENDS = ("failed", "incomplete", "cancelled")
_WRITTEN = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
}
"""Items with one text: its field, and how its events begin."""

_SAID = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}
"""Parts of a content, likewise."""


def responses(body: dict[str, Any]) -> Stream:
    """Stream a response."""
    begun = {**body, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(maps(body.get("output"))):
        events += _item(index, item)
    status = body.get("status")
    events.append({"type": f"response.{status if status in _ENDS else 'completed'}", "response": body})
    return named({**event, "sequence_number": number} for number, event in enumerate(events))


def _item(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"output_index": index, "item_id": item.get("id", "")}
    kind = str(item.get("type"))
    empty = {**item, "status": "in_progress"} if "status" in item else dict(item)
    inside: list[dict[str, Any]] = []
    if kind in _WRITTEN and isinstance(item.get(_WRITTEN[kind][0]), str):
        field, name = _WRITTEN[kind]
        empty[field] = ""
        inside += [{"type": f"{name}.delta", **at, "delta": item[field]}, {"type": f"{name}.done", **at, field: item[field]}]
        if kind == "function_call":
            inside[-1]["name"] = item.get("name")
    if isinstance(item.get("summary"), list):
        empty["summary"] = []
        for number, part in enumerate(maps(item["summary"])):
            inside += _summary({**at, "summary_index": number}, part)
    if isinstance(item.get("content"), list):
        empty["content"] = []
        for number, part in enumerate(maps(item["content"])):
            inside += _part({**at, "content_index": number}, part)
    added, done = ({"type": f"response.output_item.{word}", "output_index": index} for word in ("added", "done"))
    return [{**added, "item": empty}, *inside, {**done, "item": item}]


def _summary(at: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    text = part.get("text")
    return [
        {"type": "response.reasoning_summary_part.added", **at, "part": {**part, "text": ""}},
        {"type": "response.reasoning_summary_text.delta", **at, "delta": text},
        {"type": "response.reasoning_summary_text.done", **at, "text": text},
        {"type": "response.reasoning_summary_part.done", **at, "part": part},
    ]


def _part(at: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    found = _SAID.get(str(part.get("type")))
    if found is None or not isinstance(part.get(found[0]), str):
        return [{"type": f"response.content_part.{word}", **at, "part": part} for word in ("added", "done")]
    field, name = found
    more = {"logprobs": part.get("logprobs") or []} if field == "text" and "annotations" in part else {}
    told = [{"type": "response.output_text.annotation.added", **at, "annotation_index": number, "annotation": annotation}
            for number, annotation in enumerate(maps(part.get("annotations")))]  # fmt: skip
    empty = {**part, field: "", **({"annotations": []} if "annotations" in part else {})}
    return [
        {"type": "response.content_part.added", **at, "part": empty},
        {"type": f"{name}.delta", **at, "delta": part[field], **more},
        *told,
        {"type": f"{name}.done", **at, field: mapping(part)[field], **more},
        {"type": "response.content_part.done", **at, "part": part},
    ]
