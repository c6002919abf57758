"""Streams made of Bedrock's answers in one piece: converse, and invoke for each family of models that streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runstore.capture.codecs.answer import mapping, maps
from runstore.capture.codecs.framing import Stream, amazon_chunks, amazon_events

METRICS = "amazon-bedrock-invocationMetrics"
_WHOLE = ("generation", "outputs", "generations", "completion")
Events = Callable[[dict[str, Any]], list[dict[str, Any]]]


def converse(body: dict[str, Any]) -> Stream:
    """Stream a converse answer."""
    return amazon_events(_converse(body))


def invoke(body: dict[str, Any], anthropic: Events, chat: Events, cohere: Events) -> Stream | None:
    """Stream an invoke answer in the form of the model's family; None for one that does not stream: embeddings, images, Jurassic.

    `anthropic`, `chat` and `cohere` make the events of the forms that Bedrock takes over from others.
    """
    chunks = _chunks(body, anthropic, chat, cohere)
    if chunks is None:
        return None
    metrics = body.get(METRICS)
    if metrics is not None:
        # The last event is what Bedrock says of the call.
        chunks = [{key: item for key, item in chunk.items() if key != METRICS} for chunk in chunks]
        chunks[-1][METRICS] = metrics
    return amazon_chunks(chunks)


def _chunks(body: dict[str, Any], anthropic: Events, chat: Events, cohere: Events) -> list[dict[str, Any]] | None:
    if isinstance(body.get("content"), list):
        return anthropic({key: item for key, item in body.items() if key != METRICS})
    if isinstance(body.get("output"), dict):
        return [{name: data} for name, data in _converse(body)]
    if any("message" in choice for choice in maps(body.get("choices"))):
        return chat(body)
    if any("text" in choice for choice in maps(body.get("choices"))):
        return [dict(body)]
    if isinstance(body.get("text"), str):
        return cohere({key: item for key, item in body.items() if key != METRICS})
    if len(maps(body.get("results"))) == 1 and "outputText" in body["results"][0]:
        return [_titan(body, body["results"][0])]
    return [dict(body)] if any(key in body for key in _WHOLE) else None


def _titan(body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    counted = {"totalOutputTextTokenCount": result.get("tokenCount"), "inputTextTokenCount": body.get("inputTextTokenCount")}
    rest = {key: item for key, item in body.items() if key not in ("results", "inputTextTokenCount")}
    return {**rest, "outputText": result["outputText"], "index": 0, "completionReason": result.get("completionReason"), **counted}


def _converse(body: dict[str, Any]) -> list[tuple[str, Any]]:
    message = mapping(mapping(body.get("output")).get("message"))
    events: list[tuple[str, Any]] = [("messageStart", {"role": message.get("role", "assistant")})]
    for index, block in enumerate(message.get("content") or ()):
        start, deltas = _block(mapping(block))
        if start:
            events.append(("contentBlockStart", {"start": start, "contentBlockIndex": index}))
        events.extend(("contentBlockDelta", {"delta": delta, "contentBlockIndex": index}) for delta in deltas)
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    stop = {key: body[key] for key in ("stopReason", "additionalModelResponseFields") if key in body}
    events.append(("messageStop", stop))
    events.append(("metadata", {key: value for key, value in body.items() if key not in ("output", *stop, METRICS)}))
    return events


def _block(block: Any) -> tuple[Any, list[Any]]:
    use = block.get("toolUse")
    if isinstance(use, dict):
        rest = {key: value for key, value in use.items() if key != "input"}
        return {"toolUse": rest}, [{"toolUse": {"input": json.dumps(use.get("input"), ensure_ascii=False)}}]
    result = block.get("toolResult")
    if isinstance(result, dict):
        return {"toolResult": {key: item for key, item in result.items() if key != "content"}}, [{"toolResult": result.get("content")}]
    reasoning = mapping(block.get("reasoningContent"))
    if isinstance(reasoning.get("reasoningText"), dict):
        return None, [{"reasoningContent": {key: value}} for key, value in reasoning["reasoningText"].items()]
    cited = block.get("citationsContent")
    if isinstance(cited, dict):
        texts = [{"text": part["text"]} for part in maps(cited.get("content")) if isinstance(part.get("text"), str)]
        return None, [*texts, *({"citation": citation} for citation in maps(cited.get("citations")))]
    return None, [block]
