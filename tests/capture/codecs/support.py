"""What the tests of codecs share: slots as the store gives them back, and exchanges written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runstore.capture.codecs import CODECS, Answer, Codec, Decoded
from runstore.capture.codecs.framing import Stream
from runstore.model.encoding import decode_value, encode
from runstore.model.ids import Kind, Link, Object
from runstore.model.lists import elements
from runstore.model.run import Run
from runstore.model.trees import SlotState

Fetch = Callable[[bytes], Object]


def named(name: str) -> Codec:
    """Return the codec of a name."""
    return next(codec for codec in CODECS if codec.name == name)


def stored(decoded: Decoded) -> tuple[dict[str, Any], Any, Callable[[Link], bytes]]:
    """Return slots and envelope as they come back from a store, and what reads their blobs."""
    run = Run(**decoded.slots)
    objects = {item.id: item for item in run.objects()}
    wire = encode(decoded.wire)
    objects |= {item.id: item for item in wire.blobs}

    def fetch(id: bytes) -> Object:
        return objects[id]

    def blob(link: Link) -> bytes:
        return objects[link.id].body

    return {name: read_slot(slot, fetch) for name, slot in run.slots.items()}, decode_value(wire.body), blob


def read_slot(slot: Link | SlotState, fetch: Fetch) -> Any:
    """Return the value of a slot, or its state."""
    if isinstance(slot, SlotState):
        return slot
    if slot.kind == Kind.LIST:
        return [decode_value(fetch(link.id).body) for link in elements(slot, fetch)]
    return decode_value(fetch(slot.id).body)


def rebuilt(codec: Codec, decoded: Decoded) -> bytes:
    """Return the body that a codec writes of what the store gives back."""
    slots, wire, blob = stored(decoded)
    return codec.rebuild_request(slots, wire, blob).body


URLS = {
    "openai.chat": "https://api.openai.com/v1/chat/completions",
    "mistral.chat": "https://api.mistral.ai/v1/chat/completions",
    "openai.responses": "https://api.openai.com/v1/responses",
    "openai.completions": "https://api.openai.com/v1/completions",
    "openai.embeddings": "https://api.openai.com/v1/embeddings",
    "anthropic.messages": "https://api.anthropic.com/v1/messages",
    "gemini.generate": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
    "bedrock.converse": "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-micro-v1%3A0/converse",
    "bedrock.invoke": "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2/invoke",
    "cohere.chat.v2": "https://api.cohere.com/v2/chat",
    "cohere.chat.v1": "https://api.cohere.com/v1/chat",
    "cohere.generate": "https://api.cohere.com/v1/generate",
    "ollama.chat": "http://127.0.0.1:11434/api/chat",
    "ollama.generate": "http://127.0.0.1:11434/api/generate",
    "ollama.embed": "http://127.0.0.1:11434/api/embed",
}
"""A URL for each codec."""


def decode(name: str, body: Mapping[str, Any] | bytes, *, url: str | None = None, headers: Mapping[str, str] | None = None) -> Decoded:
    """Decode a request to an API."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return named(name).decode_request(url or URLS[name], headers or {}, raw)


JSON = {"Content-Type": "application/json"}


def answered(name: str, body: Any, *, status: int = 200, asked: Any = None) -> Answer:
    """Decode an answer in one piece."""
    return named(name).decode_response(status, JSON, json.dumps(body).encode(), asked)


def streamed(name: str, stream: Stream, asked: Any = None) -> Answer:
    """Decode a streamed answer."""
    return named(name).decode_response(200, {"content-type": stream.media_type}, stream.body, asked)


def events(*data: Any, done: bool = False) -> Stream:
    """Make a stream of server-sent events."""
    lines = [f"data: {json.dumps(each)}\n\n" for each in data] + ["data: [DONE]\n\n"] * done
    return Stream("text/event-stream", "".join(lines).encode())
