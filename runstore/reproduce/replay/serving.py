"""Serving: a recorded answer as the response that a client asked for, in one piece or as a stream, whichever was recorded. Pure.

What a codec cannot write in the form that was asked for is None, and so a miss.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs import Answer, Codec
from runstore.capture.codecs.restream import STREAMS
from runstore.errors import InvalidInput
from runstore.model.ids import Link

_ALWAYS_STREAMS = frozenset(("ollama.chat", "ollama.generate"))  # unless a request says `stream: false`
_COUNTS_WHEN_ASKED = frozenset(("openai.chat", "openai.completions", "mistral.chat"))


class Served(NamedTuple):
    """A response: its content type and its body. The status is 200: only complete answers with status ok are served."""

    media_type: str
    body: bytes


def streams(codec: Codec, url: str, wire: Mapping[str, Any]) -> bool:
    """True if a request asks for a stream: by its path, or by its delivery fields."""
    path = url.partition("?")[0]
    if path.endswith((":streamGenerateContent", "/converse-stream", "/invoke-with-response-stream")):
        return True
    asked = (wire.get("delivery") or {}).get("stream")
    return codec.name in _ALWAYS_STREAMS if asked is None else asked is True


def served(codec: Codec, answer: Answer, url: str, wire: Mapping[str, Any], blob: Callable[[Link], bytes]) -> Served | None:
    """Return the response to a request (its URL and envelope) that a recorded answer gives; None if it cannot be written."""
    try:
        body = codec.rebuild_response(answer, blob)
    except InvalidInput:
        return None
    if not streams(codec, url, wire):
        return Served("application/json", _json(body))
    make = STREAMS.get(codec.name)
    if make is None:
        return None
    if codec.name == "gemini.generate" and "alt=sse" not in url:
        return Served("application/json", _json([body]))
    options = (wire.get("delivery") or {}).get("stream_options") or {}
    if codec.name in _COUNTS_WHEN_ASKED and not options.get("include_usage"):
        # A chunk without choices comes only to clients that asked for it; others look at the first choice of each.
        body = {key: value for key, value in body.items() if key != "usage"}
    return Served(*make(body))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
