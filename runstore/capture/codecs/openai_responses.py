"""OpenAI responses: `POST …/responses`, with `/compact` and `/input_tokens` beside it.

Source: docs/spec/wire/openai.responses.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, index_of, mapping, served, told_before
from runstore.capture.codecs.contract import ERROR, INTERRUPTED, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.shapes import fit, restore
from runstore.capture.codecs.sse import Event, Events

FIELDS = {
    "model": Place.MODEL,
    "instructions": Place.PROMPT,
    "input": Place.HISTORY,
    "tools": Place.TOOLS,
    **delivery("stream", "stream_options", "metadata", "user", "safety_identifier", "store", "service_tier", "background"),
    **delivery("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    **places(
        Place.PARAMETER,
        "temperature top_p max_output_tokens max_tool_calls parallel_tool_calls tool_choice top_logprobs truncation reasoning include"
        " frequency_penalty presence_penalty seed stop provider models",
    ),
}
OPENED = {"text": {"format": Place.FORMAT, "verbosity": Place.PARAMETER}}
EFFECTIVE = (
    "temperature", "top_p", "top_logprobs", "frequency_penalty", "presence_penalty", "max_output_tokens", "max_tool_calls",
    "parallel_tool_calls", "truncation", "reasoning",
)  # fmt: skip
"""Settings that the answer reports as those that applied. Instructions, tools and formats that it repeats are the request's own words."""

_STATUS = {"completed": OK, "incomplete": OK, "failed": ERROR, "cancelled": INTERRUPTED, "in_progress": PARTIAL, "queued": PARTIAL}
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_PARTS = {
    "response.output_text.delta": ("content", "text"),
    "response.refusal.delta": ("content", "refusal"),
    "response.reasoning_text.delta": ("content", "text"),
    "response.reasoning_summary_text.delta": ("summary", "text"),
}
_TEXTS = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
}


class OpenAIResponses(JsonRequests, JsonAnswers):
    """The codec `openai.responses`."""

    name = "openai.responses"
    path = re.compile(r"(?P<base>.*)/responses(?:/(?P<operation>compact|input_tokens))?/?")
    layout = Layout(FIELDS, OPENED)
    leads = True

    def gather(self, held: dict[str, Any]) -> list[Any] | None:
        """Return the items of the input; a text is the one item."""
        found = held["input"]
        if isinstance(found, str):
            return [found]
        return found if isinstance(found, list) and not (len(found) == 1 and isinstance(found[0], str)) else None

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Undo `gather`."""
        return {"input": history[0] if len(history) == 1 and isinstance(history[0], str) else history}

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        items: dict[int, dict[str, Any]] = {}
        ended = ""
        for event in events:
            data = mapping(event.data)
            kind = str(data.get("type") or event.name)
            at = index_of(data.get("output_index"))
            if isinstance(data.get("response"), dict):
                body = dict(data["response"])
                ended = kind if kind in _ENDS else ended
            elif kind in ("response.output_item.added", "response.output_item.done"):
                items[at] = dict(mapping(data.get("item")))
            elif kind == "error":
                body["error"] = data.get("error") or {key: value for key, value in data.items() if key not in ("type", "sequence_number")}
                ended = kind
            elif kind in _PARTS or kind in _TEXTS:
                _add(items.setdefault(at, {}), kind, data)
        if items and not body.get("output"):
            # Cut off, or a server that repeats nothing at the end: the items as they came.
            body["output"] = [items[at] for at in sorted(items)]
        return Whole(body, ERROR if ended in ("error", "response.failed") else OK if ended else PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        if "output" not in body and "input_tokens" in body:
            return Taken({"input_tokens": body["input_tokens"]}, {}, None, {**body, "input_tokens": None})
        status = _STATUS.get(str(body.get("status")), OK)
        if body.get("error"):
            status = ERROR
        output = hole(body, "output", list)
        if output is not None:
            fitted = [fit(item, {}, told_before(asked)) for item in output]
            output, body["output"] = [item for item, _ in fitted], [left for _, left in fitted]
        runtime = served(body, {"model": "model"})
        effective = {key: body[key] for key in EFFECTIVE if body.get(key) is not None}
        if effective:
            runtime["parameters"] = effective
            body.update(dict.fromkeys(effective))
        return Taken(output, runtime, hole(body, "usage", dict), body, status, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        if isinstance(output, dict):
            return {**rest, **output}
        if output is not None:
            rest["output"] = restore(output, rest.get("output"))
        fill(rest, "model", runtime.get("model"))
        for key, value in mapping(runtime.get("parameters")).items():
            fill(rest, key, value)
        fill(rest, "usage", usage)
        return rest


def _add(item: dict[str, Any], kind: str, data: Any) -> None:
    """Add a delta to an item whose end never came, or has not come yet."""
    piece = data.get("delta")
    if not isinstance(piece, str):
        return
    if kind in _TEXTS:
        kept = item.get(_TEXTS[kind])
        item[_TEXTS[kind]] = (kept if isinstance(kept, str) else "") + piece
        return
    field, key = _PARTS[kind]
    at = data.get("summary_index" if field == "summary" else "content_index")
    parts = list(item[field]) if isinstance(item.get(field), list) else []
    types = {"refusal": "refusal"} if key == "refusal" else {"content": "output_text", "summary": "summary_text"}
    if not isinstance(at, int) or not 0 <= at <= len(parts):
        at = len(parts)
    if at == len(parts):
        parts.append({"type": "reasoning_text" if kind.startswith("response.reasoning_text") else types.get(field, "refusal"), key: ""})
    part = dict(mapping(parts[at]))
    kept = part.get(key)
    part[key] = (kept if isinstance(kept, str) else "") + piece
    parts[at] = part
    item[field] = parts
