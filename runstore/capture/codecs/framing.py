"""How streams lie on the wire: server-sent events, lines of JSON, and the binary messages of AWS. The writing half of `sse`."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, NamedTuple

from runstore.capture.codecs.answer import AMAZON

SSE = "text/event-stream"


class Stream(NamedTuple):
    """A streamed body and the content type that goes with it."""

    media_type: str
    body: bytes


def json_bytes(value: Any) -> bytes:
    """Write a value as JSON, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def unnamed(chunks: Iterable[Any], *, done: bool = False) -> Stream:
    """Write events without names; `done` puts OpenAI's mark at the end."""
    lines = [b"data: " + json_bytes(chunk) + b"\n\n" for chunk in chunks]
    return Stream(SSE, b"".join(lines) + (b"data: [DONE]\n\n" if done else b""))


def named(events: Iterable[dict[str, Any]]) -> Stream:
    """Write events whose names are their types."""
    return Stream(SSE, b"".join(b"event: " + str(event["type"]).encode() + b"\ndata: " + json_bytes(event) + b"\n\n" for event in events))


def lines(media_type: str, values: Iterable[Any]) -> Stream:
    """Write one value a line."""
    return Stream(media_type, b"".join(json_bytes(value) + b"\n" for value in values))


def amazon_events(events: Iterable[tuple[str, Any]]) -> Stream:
    """Write events of an AWS event stream: (name, data)."""
    return Stream(AMAZON, b"".join(amazon_message(name, json_bytes(data)) for name, data in events))


def amazon_chunks(chunks: Iterable[Any]) -> Stream:
    """Write what a model says as the chunks that Bedrock passes on: base64 within JSON."""
    return amazon_events(("chunk", {"bytes": b64encode(json_bytes(chunk)).decode("ascii")}) for chunk in chunks)


def amazon_message(name: str, payload: bytes) -> bytes:
    """Frame one event of an AWS event stream."""
    headers = b"".join(
        bytes((len(key),)) + key + b"\x07" + struct.pack(">H", len(value)) + value
        for key, value in ((b":event-type", name.encode()), (b":content-type", b"application/json"), (b":message-type", b"event"))
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return framed + struct.pack(">I", zlib.crc32(framed))
