"""Anthropic messages: `POST …/v1/messages`, and the same behind Vertex.

Source: docs/spec/wire/anthropic.messages.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, index_of, mapping, served, told_before
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.jsonread import read_answer
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.shapes import clean, fit, restore
from runstore.capture.codecs.sse import Event, Events
from runstore.errors import InvalidInput

FIELDS = {
    "model": Place.MODEL,
    "anthropic_version": Place.VERSION,
    "anthropic_beta": Place.VERSION,
    "system": Place.PROMPT,
    "messages": Place.HISTORY,
    "tools": Place.TOOLS,
    "output_format": Place.FORMAT,
    **delivery("stream", "metadata", "service_tier", "cache_control"),
    **places(Place.PARAMETER, "max_tokens temperature top_p top_k stop_sequences tool_choice thinking inference_geo speed"),
}
OPENED = {"output_config": {"format": Place.FORMAT, "effort": Place.PARAMETER, "task_budget": Place.PARAMETER}}
BLOCK = ("type", "id", "name", "input", "text", "thinking", "signature", "data", "tool_use_id", "content")
_DEFAULTS = {"caller": {"type": "direct"}}
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "compaction_delta": "content"}


class AnthropicMessages(JsonRequests, JsonAnswers):
    """The codec `anthropic.messages`."""

    name = "anthropic.messages"
    path = re.compile(
        r"(?P<base>.*)(?:/messages(?:/(?P<operation>count_tokens))?/?|(?<=/publishers/anthropic)/models/(?P<model>[^/:]+):(?:streamR|r)awPredict)"
    )
    layout = Layout(FIELDS, OPENED)

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        return assemble(events)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        if body.get("type") == "error":
            return Taken(None, {}, None, body, ERROR, body.get("request_id"))
        if "content" not in body and "input_tokens" in body:
            return Taken({"input_tokens": body["input_tokens"]}, {}, None, {**body, "input_tokens": None})
        output = None
        if isinstance(body.get("content"), list):
            blocks = [clean(block, BLOCK, ("content",), _DEFAULTS) if isinstance(block, dict) else (block, {}) for block in body["content"]]
            message = {"role": body.get("role", "assistant"), "content": [block for block, _ in blocks]}
            message, left = fit(message, {}, told_before(asked))
            output = [message]
            apart = left.get("content") or [{}] * len(blocks)
            body["content"] = [{**more, **(less or {})} for (_, more), less in zip(blocks, apart, strict=True)]
        status = ERROR if body.get("error") else OK
        return Taken(output, served(body, {"model": "model"}), hole(body, "usage", dict), body, status, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        if isinstance(output, dict):
            return {**rest, **output}
        message = mapping(output[0]) if output else {}
        if "content" in message:
            rest["content"] = restore(message["content"], rest.get("content"))
        fill(rest, "model", runtime.get("model"))
        fill(rest, "usage", usage)
        return rest


def assemble(events: list[Event]) -> Whole:
    """Put the events of a messages stream together; also those that Bedrock passes on."""
    body: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    written: dict[int, str] = {}
    status = PARTIAL
    for event in events:
        data = mapping(event.data)
        kind = data.get("type")
        if kind == "message_start":
            body.update(mapping(data.get("message")))
        elif kind == "content_block_start":
            blocks[index_of(data.get("index"))] = dict(mapping(data.get("content_block")))
        elif kind == "content_block_delta":
            _add(blocks.setdefault(index_of(data.get("index")), {}), mapping(data.get("delta")), written, index_of(data.get("index")))
        elif kind == "message_delta":
            body.update(mapping(data.get("delta")))
            _usage(body, data)
            body.update({key: value for key, value in data.items() if key not in ("type", "delta", "usage")})
        elif kind == "message_stop":
            status = OK
        elif kind == "error":
            body["error"] = data.get("error")
            status = ERROR
        body.update({key: value for key, value in data.items() if key.startswith("amazon-bedrock-")})
    for index, text in written.items():
        blocks[index]["input"] = _input(text)
    if blocks or body:
        body["content"] = list(blocks.values())
    return Whole(body, status)


def _add(block: dict[str, Any], delta: Any, written: dict[int, str], index: int) -> None:
    kind = str(delta.get("type"))
    if kind == "input_json_delta":
        piece = delta.get("partial_json")
        written[index] = written.get(index, "") + (piece if isinstance(piece, str) else "")
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
    elif kind in _TEXTS:
        key = _TEXTS[kind]
        kept, piece = block.get(key), delta.get(key)
        block[key] = kept + piece if isinstance(kept, str) and isinstance(piece, str) else piece if piece is not None else kept


def _input(text: str) -> Any:
    """Return the arguments that the pieces of a call spell; their text where the stream ended within them."""
    if not text:
        return {}
    try:
        return read_answer(text)
    except InvalidInput:
        return text


def _usage(body: dict[str, Any], data: Any) -> None:
    usage = data.get("usage")
    if isinstance(usage, dict):
        known = body.get("usage")
        stated = {key: value for key, value in usage.items() if value is not None or not isinstance(known, dict) or key not in known}
        body["usage"] = {**known, **stated} if isinstance(known, dict) else usage
