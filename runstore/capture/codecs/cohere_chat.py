"""Cohere chat, first and second API, and the older generate.

Source: docs/spec/wire/cohere.md.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, index_of, mapping, maps, told_before
from runstore.capture.codecs.bedrock_invoke import gather_turns, scatter_turns
from runstore.capture.codecs.chatstream import add_delta
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.shapes import clean, fit, restore
from runstore.capture.codecs.sse import Event, Events

_COMMON = {
    "model": Place.MODEL,
    "documents": Place.DOCUMENTS,
    "tools": Place.TOOLS,
    "response_format": Place.FORMAT,
    **delivery("stream", "priority"),
    **places(
        Place.PARAMETER,
        "temperature max_tokens max_input_tokens k p seed stop_sequences frequency_penalty presence_penalty"
        " safety_mode citation_options citation_quality"
        " tool_choice strict_tools logprobs thinking raw_prompting prompt_truncation force_single_step"
        " search_queries_only return_likelihoods"
        " num_generations truncate end_sequences logit_bias",
    ),
}
_MESSAGE = ("role", "content", "tool_plan", "tool_calls", "citations")
_USAGE = ("billed_units", "tokens", "cached_tokens")


class CohereChat2(JsonRequests, JsonAnswers):
    """The codec `cohere.chat.v2`."""

    name = "cohere.chat.v2"
    path = re.compile(r"(?P<base>.*)/v2/chat/?")
    layout = Layout({**_COMMON, "messages": Place.HISTORY}, sole_format="response_format")
    leads = True

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        message: dict[str, Any] = {}
        content: dict[int, dict[str, Any]] = {}
        calls: dict[int, dict[str, Any]] = {}
        status = PARTIAL
        for event in events:
            data = mapping(event.data)
            kind, delta = data.get("type") or event.name, mapping(data.get("delta"))
            part = mapping(delta.get("message"))
            if kind == "message-start":
                body["id"] = data.get("id")
                message.update(part)
            elif kind in ("content-start", "content-delta"):
                add_delta(content.setdefault(index_of(data.get("index")), {}), mapping(part.get("content")))
            elif kind in ("tool-call-start", "tool-call-delta"):
                add_delta(calls.setdefault(index_of(data.get("index")), {}), mapping(part.get("tool_calls")))
            elif kind == "tool-plan-delta":
                add_delta(message, {"tool_plan": part.get("tool_plan")})
            elif kind == "citation-start":
                message["citations"] = [*(message.get("citations") or []), part.get("citations")]
            elif kind == "message-end":
                body.update(delta)
                status = ERROR if delta.get("error") else OK
        for key, found in (("content", content), ("tool_calls", calls)):
            if found:
                message[key] = list(found.values())
        if message.get("tool_plan") == "":
            del message["tool_plan"]
        return Whole({**body, "message": message} if message else body, status)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        output = None
        if isinstance(body.get("message"), dict):
            message, body["message"] = fit(*clean(body["message"], _MESSAGE), told_before(asked))
            output = [message]
        elif isinstance(body.get("message"), str):
            return Taken(None, {}, None, body, ERROR)
        return Taken(output, {}, hole(body, "usage", dict), body, OK, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        if output:
            rest["message"] = restore(output[0], rest.get("message"))
        fill(rest, "usage", usage)
        return rest


class CohereChat1(JsonRequests, JsonAnswers):
    """The codec `cohere.chat.v1`. The message is the last turn of the history, as the next request's `chat_history` will tell it."""

    name = "cohere.chat.v1"
    path = re.compile(r"(?P<base>.*)/v1/chat/?")
    layout = Layout(
        {**_COMMON, "preamble": Place.PROMPT, "message": Place.HISTORY, "chat_history": Place.HISTORY}, sole_format="response_format"
    )

    def gather(self, held: dict[str, Any]) -> list[Any] | None:
        """Return the turns."""
        return gather_turns(held)

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Undo `gather`."""
        return scatter_turns(history, fields)

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        body: dict[str, Any] = {}
        for event in events:
            data = mapping(event.data)
            kind = data.get("event_type")
            if kind == "stream-end":
                body = {**body, **mapping(data.get("response"))}
                body.setdefault("finish_reason", data.get("finish_reason"))
                return Whole(body, ERROR if str(data.get("finish_reason", "")).startswith("ERROR") else OK)
            for key in ("text", "generation_id", "citations", "tool_calls", "documents", "search_results", "search_queries"):
                if key in data:
                    kept = body.get(key)
                    body[key] = (
                        kept + data[key]
                        if isinstance(kept, str | list) and type(kept) is type(data[key]) and key != "generation_id"
                        else data[key]
                    )
        return Whole(body, PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`. `chat_history` is the request's own words with the answer at the end, and is left out."""
        output = None
        text = hole(body, "text")
        if text is not None:
            output = [{"role": "CHATBOT", "message": text}]
            if body.get("tool_calls"):
                output[0]["tool_calls"], body["tool_calls"] = body["tool_calls"], None
        if "chat_history" in body:
            body["chat_history"] = None
        if output is None and isinstance(body.get("message"), str):
            return Taken(None, {}, None, body, ERROR)
        meta = mapping(body.get("meta"))
        usage = {key: meta[key] for key in _USAGE if key in meta}
        return Taken(output, {}, usage or None, body, OK, body.get("response_id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        if output:
            fill(rest, "text", output[0].get("message"))
            fill(rest, "tool_calls", output[0].get("tool_calls"))
        return rest


class CohereGenerate(JsonRequests, JsonAnswers):
    """The codec `cohere.generate`."""

    name = "cohere.generate"
    path = re.compile(r"(?P<base>.*)/v1/generate/?")
    layout = Layout({**_COMMON, "prompt": Place.PROMPT}, sole_format="response_format")

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        texts: dict[int, str] = {}
        for event in events:
            data = mapping(event.data)
            if data.get("is_finished"):
                return Whole(dict(mapping(data.get("response"))), OK)
            number = index_of(data.get("index"))
            texts[number] = texts.get(number, "") + str(data.get("text") or "")
        return Whole({"generations": [{"text": text} for text in texts.values()]}, PARTIAL)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        texts = [text for found in maps(body.get("generations")) if (text := hole(found, "text")) is not None]
        meta = mapping(body.get("meta"))
        usage = {key: meta[key] for key in _USAGE if key in meta}
        failed = not texts and isinstance(body.get("message"), str)
        return Taken(texts or None, {}, usage or None, body, ERROR if failed else OK, body.get("id"))

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        texts = iter(output or ())
        for found in maps(rest.get("generations")):
            fill(found, "text", next(texts, None))
        return rest
