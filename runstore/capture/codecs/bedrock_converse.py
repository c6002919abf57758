"""Bedrock converse and converse-stream.

Source: docs/spec/wire/bedrock.converse.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, index_of, mapping, told_before
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.jsonread import read_answer
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.shapes import clean, fit, ordered, restore
from runstore.capture.codecs.sse import Event, Events
from runstore.errors import InvalidInput

FIELDS = {
    "system": Place.PROMPT,
    "messages": Place.HISTORY,
    "outputConfig": Place.FORMAT,
    "toolConfig": Place.PARAMETER,
    "anthropic_version": Place.VERSION,
    **places(Place.PARAMETER, "inferenceConfig guardrailConfig performanceConfig additionalModelResponseFieldPaths"),
    **delivery("requestMetadata", "serviceTier"),
}
OPENED = {"toolConfig": {"tools": Place.TOOLS, "toolChoice": Place.PARAMETER}}
_MESSAGE = ("role", "content")
_REASONING = ("text", "signature")
_DEFAULTS = {"type": "tool_use"}
_TOOL_USE = ("toolUseId", "name", "input")


class BedrockConverse(JsonRequests, JsonAnswers):
    """The codec `bedrock.converse`. `additionalModelRequestFields` and `promptVariables` are content and stand in `extra`."""

    name = "bedrock.converse"
    path = re.compile(r"(?P<base>.*)/model/(?P<model>[^/]+)/converse(?:-stream)?")
    layout = Layout(FIELDS, OPENED, sole_format="outputConfig")

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        return assemble([(event.name, event.data) for event in events])

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        output = take_message(body, told_before(asked))
        return Taken(output, {}, hole(body, "usage", dict), body, ERROR if "error" in body else OK)

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        put_message(rest, output)
        fill(rest, "usage", usage)
        return rest


def take_message(body: dict[str, Any], like: Any) -> list[Any] | None:
    """Take the message out of a converse answer; what is set apart from it stays in its place."""
    holder = body.get("output")
    message = hole(holder, "message", dict) if isinstance(holder, dict) else None
    if message is None:
        return None
    found = ordered(message, _MESSAGE)
    left: dict[str, Any] = {}
    if isinstance(found.get("content"), list):
        blocks = [_block(block) for block in found["content"]]
        found["content"] = [block for block, _ in blocks]
        if any(apart for _, apart in blocks):
            left["content"] = [apart for _, apart in blocks]
    fitted, more = fit(found, {}, like)
    assert isinstance(holder, dict)
    holder["message"] = _both(left, more)
    return [fitted]


def put_message(rest: dict[str, Any], output: Any) -> None:
    """Undo `take_message`."""
    if output and isinstance(rest.get("output"), dict):
        rest["output"]["message"] = restore(output[0], rest["output"].get("message"))


def assemble(events: list[tuple[str, Any]]) -> Whole:
    """Put the events of a converse stream together: (name, data). Names with `!` before them are exceptions."""
    body: dict[str, Any] = {}
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    status = PARTIAL
    for name, event in events:
        data = {key: value for key, value in mapping(event).items() if key != "p"}  # padding against eavesdroppers
        if name.startswith("!"):
            body["error"] = {"type": name[1:], **data}
            return Whole(body | _output(message, blocks), ERROR)
        if name == "messageStart":
            message.update(data)
        elif name == "contentBlockStart":
            start = data.get("start")
            blocks.setdefault(index_of(data.get("contentBlockIndex")), {}).update(
                {key: dict(mapping(part)) for key, part in mapping(start).items()}
            )
        elif name == "contentBlockDelta":
            _add(blocks.setdefault(index_of(data.get("contentBlockIndex")), {}), mapping(data.get("delta")))
        elif name == "messageStop":
            body.update(data)
            status = OK
        elif name == "metadata":
            body.update(data)
    for block in blocks.values():
        if isinstance(mapping(block.get("toolUse")).get("input"), str):
            block["toolUse"]["input"] = _input(block["toolUse"]["input"])
    return Whole(_output(message, blocks) | body, status)


def _output(message: dict[str, Any], blocks: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if not message and not blocks:
        return {}
    content: list[dict[str, Any]] = []
    for block in blocks.values():
        # Nova counts every piece of a text as a block of its own.
        if (
            content
            and content[-1].keys() == {"text"} == block.keys()
            and isinstance(block["text"], str)
            and isinstance(content[-1]["text"], str)
        ):
            content[-1] = {"text": content[-1]["text"] + block["text"]}
        else:
            content.append(block)
    return {"output": {"message": {**message, "content": content}}}


def _add(block: dict[str, Any], delta: Any) -> None:
    for key, value in delta.items():
        if key == "reasoningContent" and isinstance(value, dict):
            content = block.setdefault(key, {})
            if "redactedContent" in value:
                content.update(value)
            else:
                _concat(content.setdefault("reasoningText", {}), value)
        elif key == "citation":
            block.setdefault("citationsContent", {}).setdefault("citations", []).append(value)
        elif isinstance(value, dict):
            _concat(block.setdefault(key, {}), value)
        elif key == "toolResult" and isinstance(value, list):
            result = block.setdefault(key, {})
            result["content"] = [*(result.get("content") or []), *value]
        else:
            _concat(block, {key: value})


def _concat(kept: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        kept[key] = kept[key] + value if isinstance(value, str) and isinstance(kept.get(key), str) else value


def _input(text: str) -> Any:
    try:
        return read_answer(text) if text else {}
    except InvalidInput:
        return text


def _block(block: Any) -> tuple[Any, dict[str, Any] | None]:
    if not isinstance(block, dict):
        return block, None
    reasoning = block.get("reasoningContent")
    if isinstance(reasoning, dict) and isinstance(reasoning.get("reasoningText"), dict):
        return {**block, "reasoningContent": {**reasoning, "reasoningText": ordered(reasoning["reasoningText"], _REASONING)}}, None
    if not isinstance(block.get("toolUse"), dict):
        return block, None
    use, left = clean(block["toolUse"], _TOOL_USE, _TOOL_USE, _DEFAULTS)
    return {**block, "toolUse": use}, {"toolUse": left} if left else None


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join what was set apart in two steps."""
    joined: dict[str, Any] = restore(one, other)
    return joined
