"""Serving: a recorded answer as the response that a client asked for, in one piece or as a stream, whichever was recorded. Pure.

What a codec cannot write in the form that was asked for is None, and so a miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs import Answer, Codec
from runstore.capture.codecs.framing import json_bytes
from runstore.capture.codecs.restream import STREAMS
from runstore.capture.codecs.tool_call import TOOL
from runstore.errors import InvalidInput, RunstoreError
from runstore.model.ids import Link

JSON = "application/json"
_ALWAYS_STREAMS = frozenset(("ollama.chat", "ollama.generate"))  # unless a request says `stream: false`
_COUNTS_WHEN_ASKED = frozenset(("openai.chat", "openai.completions"))
_OWN = frozenset(("connection", "content-encoding", "content-length", "content-type", "trailer", "transfer-encoding", "upgrade"))
_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_STREAMING = (":streamGenerateContent", ":streamRawPredict", "/converse-stream", "/invoke-with-response-stream")


class Form(NamedTuple):
    """The form in which a request wants its answer: as a stream, as Gemini's array of chunks, with the chunk that counts tokens."""

    streamed: bool
    array: bool = False
    counted: bool = False


class Served(NamedTuple):
    """A response. Only complete answers are served: the status is 200 but for a tool that raised an error.

    `headers` are those that were recorded, but for what tells the form: the id of the request, counts, rate limits.
    """

    media_type: str
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def form_of(codec: Codec, url: str, wire: Mapping[str, Any]) -> Form:
    """Return what form a request (its URL and envelope) asks for: by its path, or by its delivery fields."""
    delivery = wire.get("delivery") or {}
    path, _, query = url.partition("?")
    asked = delivery.get("stream")
    streamed = path.endswith(_STREAMING) or (codec.name in _ALWAYS_STREAMS if asked is None else asked is True)
    if not streamed:
        return Form(False)
    counted = codec.name not in _COUNTS_WHEN_ASKED or bool((delivery.get("stream_options") or {}).get("include_usage"))
    return Form(True, codec.name == "gemini.generate" and "alt=sse" not in query, counted)


def served(codec: Codec, answer: Answer, form: Form, blob: Callable[[Link], bytes]) -> Served | None:
    """Return the response that a recorded answer gives in a form; None if it cannot be written."""
    try:
        return _served(codec, answer, form, blob)
    except InvalidInput:
        return None
    except RunstoreError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None  # no answer that the codec took apart: recordings and bundles are files that anybody can write


def _served(codec: Codec, answer: Answer, form: Form, blob: Callable[[Link], bytes]) -> Served | None:
    body = codec.rebuild_response(answer, blob)
    headers = _headers(answer)
    if not form.streamed:
        status = answer.response["status"] if codec is TOOL else 200
        return Served(JSON, json_bytes(body), status, headers) if 200 <= status < 600 else None
    if form.array:
        return Served(JSON, json_bytes([body]), 200, headers)
    if not form.counted:
        # A chunk without choices comes only to clients that asked for it; others look at the first choice of each.
        body = {key: value for key, value in body.items() if key != "usage"}
    make = STREAMS.get(codec.name)
    made = None if make is None else make(body)
    return None if made is None else Served(*made, 200, headers)


def _headers(answer: Answer) -> tuple[tuple[str, str], ...]:
    """Return the recorded headers, but for what the response has of its own, and what no header can be: a recording is a file like any."""
    kept = answer.response.get("headers")
    found = kept.items() if isinstance(kept, dict) else ()
    return tuple(
        (name, str(value)) for name, value in found if name.lower() not in _OWN and _NAME.fullmatch(name) and _VALUE.fullmatch(str(value))
    )
