"""Answers with a JSON body, in one piece or streamed: output, runtime, usage, and what the provider said beside them.

A stream is put together to the body that the answer in one piece would have had, and read as that: so both forms of one answer give the
same output. What a codec adds is `assemble` (events to a body) and `take` (a body to its parts) with `put`, its inverse.
Source: docs/spec/wire/README.md, "Answers".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs.contract import ERROR, OK, PARTIAL, Answer
from runstore.capture.codecs.jsonread import read_answer
from runstore.capture.codecs.media import Blob, lift, unlift
from runstore.capture.codecs.shapes import restore
from runstore.capture.codecs.sse import Event, Events, amazon, json_array, json_lines, server_sent
from runstore.capture.codecs.urls import Headers, media_type, read_response_headers
from runstore.errors import InvalidInput

AMAZON = "application/vnd.amazon.eventstream"
_TEXT_BYTES = 1 << 20
_LINES = frozenset(("application/x-ndjson", "application/stream+json", "application/jsonl", "application/json-lines"))


Asked = Mapping[str, Any] | None
"""The slots of the request that is answered, or None."""


class Whole(NamedTuple):
    """A body put together from a stream, and how the stream ended."""

    body: dict[str, Any]
    status: str


class Taken(NamedTuple):
    """The parts of a body. `rest` is the body without them: what was taken left a null, or what `shapes.clean` set apart."""

    output: Any
    runtime: dict[str, Any]
    usage: Any
    rest: dict[str, Any]
    status: str = OK
    id: Any = None


class JsonAnswers:
    """The answer half of a codec."""

    arrays = False
    """True if a stream can also be a JSON array of its events."""

    def decode_response(self, status: int, headers: Headers, body: bytes, asked: Asked = None) -> Answer:
        """See `Codec`."""
        response: dict[str, Any] = {"status": status}
        kept = read_response_headers(headers)
        if kept:
            response["headers"] = kept
        events = self._events(media_type(headers), body)
        if events is not None:
            whole = self.assemble(events.items, events, asked)
            response["streamed"] = True
            return self._answer(status, whole.body, whole.status, response, body, asked)
        try:
            value = read_answer(body)
        except InvalidInput:
            cut = body.lstrip()[:1] in (b"{", b"[")
            return Answer(ERROR if status >= 400 or not cut else PARTIAL, None, None, None, {**response, "body": _text(body)})
        return self._answer(status, value, OK, response, body, asked)

    def rebuild_response(self, answer: Answer, blob: Blob | None = None) -> dict[str, Any]:
        """See `Codec`."""
        kept = answer.response.get("body")
        if not isinstance(kept, dict):
            raise InvalidInput("this response was no JSON object", kind="bad-response")
        rest: dict[str, Any] = unlift(_copy(kept), blob)
        if answer.output is None and answer.runtime is None and answer.usage is None:
            return rest
        return self.put(rest, unlift(answer.output, blob), dict(answer.runtime or {}), answer.usage)

    # --- what a codec adds ------------------------------------------------------------------------------------------------------

    def assemble(self, events: list[Event], stream: Events, asked: Asked = None) -> Whole:
        """Put the body together that a stream says. Never raises: what is no event of this API is left out.

        `asked` are the slots of the request, where they are known.
        """
        raise NotImplementedError

    def take(self, body: dict[str, Any], asked: Asked = None) -> Taken:
        """Take a body apart, in place. `asked` are the slots of the request, where they are known."""
        raise NotImplementedError

    def put(self, rest: dict[str, Any], output: Any, runtime: dict[str, Any], usage: Any) -> dict[str, Any]:
        """Put the parts back into what `take` left, in place."""
        raise NotImplementedError

    # --- common -----------------------------------------------------------------------------------------------------------------

    def _answer(self, status: int, value: Any, ended: str, response: dict[str, Any], body: bytes, asked: Asked) -> Answer:
        if status >= 400 or not isinstance(value, dict):
            return Answer(ERROR, None, None, None, {**response, "body": lift(value)})
        taken = self.take(value, asked)
        state = taken.status if ended == OK or taken.status == ERROR else ended
        if state == PARTIAL and taken.output is None:
            # Nothing in it that this API knows: keep what came.
            return Answer(state, None, None, None, {**response, "body": _text(body)})
        if isinstance(taken.id, str):
            response["id"] = taken.id
        response["body"] = lift(taken.rest)
        output = lift(taken.output)
        usage = taken.usage if isinstance(taken.usage, dict) else None
        return Answer(state, output, taken.runtime or None, usage, response)

    def _events(self, kind: str, body: bytes) -> Events | None:
        """Return the events of a body that is a stream; None for a body in one piece."""
        if kind == AMAZON:
            return amazon(body)
        if kind in _LINES:
            return json_lines(body)
        start = body[:64].lstrip()
        if kind == "text/event-stream" or start.startswith((b"data:", b"event:")):
            if start.startswith(b"["):
                return json_array(body) if self.arrays else None
            return None if start.startswith(b"{") else server_sent(body)
        return json_array(body) if self.arrays and start.startswith(b"[") else None


def hole(rest: dict[str, Any], key: str, kind: type = str) -> Any:
    """Take a value of a kind out of a map, leaving a null; None where there is none."""
    found = rest.get(key)
    if type(found) is not kind:
        return None
    rest[key] = None
    return found


def served(rest: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Take the texts out that name what answered: field to key of the runtime. An empty text names nothing and stays."""
    return {name: hole(rest, field) for field, name in names.items() if rest.get(field) and isinstance(rest[field], str)}


def fill(rest: dict[str, Any], key: str, value: Any) -> None:
    """Undo `hole`."""
    if value is not None and rest.get(key, value) is None:
        rest[key] = value


def put_messages(slots: list[dict[str, Any]], key: str, output: Any) -> None:
    """Put the messages of an output back where maps of what was set apart stand for them."""
    messages = iter(output if isinstance(output, list) else [])
    for slot in slots:
        if isinstance(slot.get(key), dict):
            message = next(messages, None)
            if message is not None:
                slot[key] = restore(message, slot[key])


def index_of(value: Any) -> int:
    """Return a place in a list that an event names; 0 for what names none."""
    return value if type(value) is int else 0


def told_before(asked: Asked) -> Any:
    """Return the history of a request: its messages have the shapes that the next request's will have."""
    return asked.get("history") if asked else None


def maps(value: Any) -> list[dict[str, Any]]:
    """Return the maps in a list; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a map; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _text(body: bytes) -> str | bytes:
    """Return a body as text; as bytes, and so a blob, where it is none or too long for a value."""
    if len(body) > _TEXT_BYTES:
        return body
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
