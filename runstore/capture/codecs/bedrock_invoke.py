"""Bedrock invoke: one address, and for each family of models a body of its own. The shape of the body tells which.

Source: docs/spec/wire/bedrock.invoke.md.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from typing import Any

from runstore.capture.codecs import anthropic_messages, bedrock_converse
from runstore.capture.codecs.answer import Asked, JsonAnswers, Taken, Whole, fill, hole, mapping, maps, told_before
from runstore.capture.codecs.anthropic_messages import AnthropicMessages
from runstore.capture.codecs.contract import ERROR, OK, PARTIAL
from runstore.capture.codecs.jsonread import read_answer
from runstore.capture.codecs.openai_chat import OpenAIChat
from runstore.capture.codecs.openai_completions import OpenAICompletions
from runstore.capture.codecs.places import Layout, Place, delivery, places
from runstore.capture.codecs.request import JsonRequests
from runstore.capture.codecs.sse import Event, Events
from runstore.errors import InvalidInput

FIELDS = {
    **anthropic_messages.FIELDS,
    **places(Place.PROMPT, "prompt inputText texts preamble singleEmbeddingParams segmentedEmbeddingParams"),
    **places(Place.HISTORY, "message chat_history"),
    "documents": Place.DOCUMENTS,
    "response_format": Place.FORMAT,
    **places(
        Place.PARAMETER,
        "toolConfig inferenceConfig textGenerationConfig schemaVersion taskType"
        " max_gen_len max_tokens_to_sample p k stop"
        " n seed topP topK maxTokens temperature numResults countPenalty presencePenalty frequencyPenalty return_likelihoods return_prompt"
        " input_type truncate embedding_types output_dimension dimensions normalize embeddingTypes",
    ),
    **delivery("stream", "metadata"),
}
_ANTHROPIC, _CHAT, _COMPLETIONS = AnthropicMessages(), OpenAIChat(), OpenAICompletions()
_TEXTS = ("outputText", "generation", "completion", "text")
_METRICS = "amazon-bedrock-invocationMetrics"


class BedrockInvoke(JsonRequests, JsonAnswers):
    """The codec `bedrock.invoke`."""

    name = "bedrock.invoke"
    path = re.compile(r"(?P<base>.*)/model/(?P<model>[^/]+)/invoke(?:-with-response-stream)?")
    layout = Layout({**FIELDS, "messages": Place.HISTORY}, {**anthropic_messages.OPENED, **bedrock_converse.OPENED})
    leads = True

    def gather(self, held: dict[str, Any]) -> list[Any] | None:
        """Return the messages, or the turns of Cohere's first API."""
        if held.keys() <= {"message", "chat_history"}:
            return gather_turns(held)
        return super().gather(held)

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Undo `gather`."""
        return super().scatter(history, fields) if fields == ["messages"] else scatter_turns(history, fields)

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """See `JsonAnswers`."""
        inner: list[Event] = []
        for event in events:
            if event.name.startswith("!"):
                return Whole({"error": {"type": event.name[1:], **mapping(event.data)}}, ERROR)
            chunk = _chunk(event.data)
            if chunk is not None:
                inner.append(Event("", chunk))
        first = mapping(inner[0].data) if inner else {}
        if "type" in first and "completion" not in first:
            return anthropic_messages.assemble(inner)
        if "messageStart" in first or "contentBlockDelta" in first:
            whole = bedrock_converse.assemble([(name, data) for event in inner for name, data in mapping(event.data).items()])
            return Whole({**whole.body, **_metrics(inner)}, whole.status)
        if "event_type" in first:
            return _cohere(inner)
        if "choices" in first:
            spoken = any("text" in choice for choice in maps(first["choices"]))
            whole = (_COMPLETIONS if spoken else _CHAT).assemble(inner, stream, asked)
            return Whole({**whole.body, **_metrics(inner)}, whole.status)
        return _texts(inner)

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """See `JsonAnswers`."""
        if "error" in body and "content" not in body:
            return Taken(None, {}, None, body, ERROR)
        if isinstance(body.get("content"), list):
            return _ANTHROPIC.take(body, asked)
        if isinstance(body.get("output"), dict):
            return Taken(bedrock_converse.take_message(body, told_before(asked)), {}, hole(body, "usage", dict), body)
        if isinstance(body.get("choices"), list) and any("message" in choice for choice in maps(body["choices"])):
            return _CHAT.take(body, asked)
        for key in ("embeddings", "embedding"):
            if isinstance(body.get(key), list | dict):
                found, body[key] = body[key], None
                return Taken(found, {}, None, body)
        texts = [found for holder, key in _holders(body) if (found := hole(holder, key)) is not None]
        return Taken(texts or None, {}, hole(body, "usage", dict), body)

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """See `JsonAnswers`."""
        if "content" in rest and output and isinstance(output[0], dict):
            return _ANTHROPIC.put(rest, output, runtime, usage)
        if isinstance(rest.get("output"), dict):
            bedrock_converse.put_message(rest, output)
        elif "choices" in rest and output and isinstance(output[0], dict):
            return _CHAT.put(rest, output, runtime, usage)
        elif "embeddings" in rest or "embedding" in rest:
            fill(rest, "embeddings" if "embeddings" in rest else "embedding", output)
        else:
            texts = iter(output or ())
            for holder, key in _holders(rest):
                fill(holder, key, next(texts, None))
        fill(rest, "usage", usage)
        return rest


def gather_turns(held: dict[str, Any]) -> list[Any] | None:
    """Return the turns that Cohere's first API splits into `chat_history` and `message`."""
    message, turns = held.get("message"), held.get("chat_history", [])
    if not isinstance(message, str) or not isinstance(turns, list):
        return None
    return [*turns, {"role": "USER", "message": message}]


def scatter_turns(history: list[Any], fields: list[str]) -> dict[str, Any]:
    """Undo `gather_turns`."""
    found = {"chat_history": history[:-1], "message": history[-1]["message"]}
    return {field: found[field] for field in fields if field in found}


def _holders(body: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return the maps of an answer that hold a text, each with its key."""
    holders = [body, *maps(body.get("results")), *maps(body.get("outputs")), *maps(body.get("generations")), *maps(body.get("choices"))]
    holders += [found["data"] for found in maps(body.get("completions")) if isinstance(found.get("data"), dict)]
    return [(holder, key) for holder in holders for key in _TEXTS if key in holder]


def _chunk(data: Any) -> Any:
    """Return the JSON that a chunk carries as base64."""
    encoded = mapping(data).get("bytes")
    try:
        return read_answer(b64decode(encoded)) if isinstance(encoded, str) else None
    except (Error, ValueError, InvalidInput):
        return None


def _metrics(events: list[Event]) -> dict[str, Any]:
    """Return what Bedrock says of the call in the last event."""
    found = [mapping(event.data)[_METRICS] for event in events if _METRICS in mapping(event.data)]
    return {_METRICS: found[-1]} if found else {}


def _cohere(events: list[Event]) -> Whole:
    """Put the events of Cohere's first API together: the last repeats the whole answer."""
    texts: list[str] = []
    for event in events:
        data = mapping(event.data)
        if data.get("event_type") == "stream-end":
            response = {"text": "".join(texts), "finish_reason": data.get("finish_reason"), **mapping(data.get("response"))}
            return Whole({**response, **_metrics(events)}, OK)
        if isinstance(data.get("text"), str):
            texts.append(data["text"])
    return Whole({"text": "".join(texts)} if texts else {}, PARTIAL)


def _texts(events: list[Event]) -> Whole:
    """Put chunks together that each hold a piece of text: Titan, Llama, Mistral, Cohere."""
    body: dict[str, Any] = {}
    status = PARTIAL
    for event in events:
        data = dict(mapping(event.data))
        for key in ("outputs", "generations"):
            if isinstance(data.get(key), list):
                data[key] = [
                    _concat(kept, part) for kept, part in zip(_padded(body.get(key), len(data[key])), maps(data[key]), strict=False)
                ]
        body = _concat(body, data)
        stops = [data, *maps(data.get("outputs")), *maps(data.get("generations"))]
        if any(stop.get(key) for stop in stops for key in ("completionReason", "stop_reason", "is_finished", "finish_reason")):
            status = OK
    if body.get("amazon-bedrock-guardrailAction") == "INTERVENED":
        status = OK  # the guardrail's text is all there is
    if "outputText" in body:
        # Titan's answer in one piece is a list of results.
        keys = ("tokenCount", "outputText", "completionReason")
        body["totalOutputTextTokenCount"] = body.get("totalOutputTextTokenCount")
        result = {"tokenCount": body.pop("totalOutputTextTokenCount"), **{key: body.pop(key) for key in keys if key in body}}
        body = {"inputTextTokenCount": body.pop("inputTextTokenCount", None), "results": [result], **body}
    return Whole(body, status)


def _padded(kept: Any, size: int) -> list[dict[str, Any]]:
    found = maps(kept)
    return found + [{}] * (size - len(found))


def _concat(kept: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    joined = dict(kept)
    for key, value in more.items():
        old = joined.get(key)
        if key in _TEXTS and isinstance(old, str) and isinstance(value, str):
            joined[key] = old + value
        elif value is not None or key not in joined:
            joined[key] = value
    return joined
