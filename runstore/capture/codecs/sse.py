"""Server-sent events and other streams of JSON: bytes to events, whole ones only, and whether the bytes end between two of them.

Source: WHATWG HTML, "Server-sent events"; the binary framing of `application/vnd.amazon.eventstream` (AWS, "Event stream encoding").
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any, NamedTuple

from runstore.capture.codecs.jsonread import read_answer
from runstore.errors import InvalidInput

DONE = "[DONE]"
_LINE = re.compile(r"\r\n|\n|\r")
_HEADER_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of the types of fixed length
_PRELUDE, _CHECK = 12, 4


class Event(NamedTuple):
    """One event: its name, empty where it has none, and its data, read."""

    name: str
    data: Any


class Events(NamedTuple):
    """The events of a stream. `done` is True if `[DONE]` came; `whole` is False if bytes are left that are no event."""

    items: list[Event]
    done: bool = False
    whole: bool = True


def server_sent(body: bytes) -> Events:
    """Read server-sent events whose data is JSON; comments and events without data are left out, unreadable ones end the reading."""
    told: list[tuple[str, str]] = []
    name, data, done = "", [], False
    for line in [*_LINE.split(body.decode("utf-8", "replace").removeprefix("\ufeff")), ""]:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            continue
        if data:
            text = data[0] if len(data) == 1 else "\n".join(data)
            if text.strip() == DONE:
                done = True
            else:
                told.append((name, text))
        name, data = "", []
    return _read(told)._replace(done=done)


def json_lines(body: bytes) -> Events:
    """Read one JSON value a line."""
    return _read([("", line) for line in body.decode("utf-8", "replace").split("\n") if line.strip()])


def _read(told: list[tuple[str, str]]) -> Events:
    """Read the data of events, all at once: a reader's start costs more than a short event. The first that is no JSON ends the reading."""
    if all(text.startswith("{") and text.rstrip().endswith("}") for _, text in told):
        try:
            values = read_answer("[" + ",".join([text for _, text in told]) + "]")
        except InvalidInput:
            values = []
        if len(values) == len(told):
            return Events([Event(name, value) for (name, _), value in zip(told, values, strict=True)])
    items: list[Event] = []
    for name, text in told:
        try:
            items.append(Event(name, read_answer(text)))
        except InvalidInput:
            return Events(items, whole=False)
    return Events(items)


def json_array(body: bytes) -> Events:
    """Read the elements of a JSON array that may be cut off in the middle."""
    text = body.decode("utf-8", "replace").strip()
    try:
        found = read_answer(text)
        return Events([Event("", item) for item in found], done=True) if isinstance(found, list) else Events([], whole=False)
    except InvalidInput:
        pass
    items: list[Event] = []
    for piece in _elements(text[1:]):
        try:
            items.append(Event("", read_answer(piece)))
        except InvalidInput:
            break
    return Events(items, whole=False)


def amazon(body: bytes) -> Events:
    """Read the messages of an AWS event stream whose payloads are JSON; the first that is cut off or damaged ends the reading."""
    items: list[Event] = []
    at = 0
    while at + _PRELUDE + _CHECK <= len(body):
        total, headers_size = struct.unpack_from(">II", body, at)
        end = at + total
        if total < _PRELUDE + _CHECK or end > len(body) or headers_size > total - _PRELUDE - _CHECK:
            break
        if zlib.crc32(body[at : end - _CHECK]) != int.from_bytes(body[end - _CHECK : end], "big"):
            break
        start = at + _PRELUDE + headers_size
        headers = _headers(body[at + _PRELUDE : start])
        payload = body[start : end - _CHECK]
        try:
            data = read_answer(payload.decode("utf-8")) if payload else {}
        except (InvalidInput, UnicodeDecodeError):
            break
        name = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code") or ""
        items.append(Event("!" + name if headers.get(":message-type", "event") != "event" else name, data))
        at = end
    return Events(items, whole=at == len(body))


def _headers(raw: bytes) -> dict[str, str]:
    """Return the text headers of a message; those of other types are skipped."""
    found: dict[str, str] = {}
    at = 0
    while at + 2 <= len(raw):
        size = raw[at]
        name = raw[at + 1 : at + 1 + size].decode("utf-8", "replace")
        at += 1 + size
        if at >= len(raw):
            break
        kind = raw[at]
        at += 1
        if kind in (6, 7):
            size = int.from_bytes(raw[at : at + 2], "big")
            if kind == 7:
                found[name] = raw[at + 2 : at + 2 + size].decode("utf-8", "replace")
            at += 2 + size
        elif kind in _HEADER_SIZES:
            at += _HEADER_SIZES[kind]
        else:
            break
    return found


def _elements(text: str) -> list[str]:
    """Cut the inside of an array into its elements; the last may be cut off."""
    pieces: list[str] = []
    depth, start, quoted, skip = 0, 0, False, False
    for at, char in enumerate(text):
        if skip:
            skip = False
        elif quoted:
            skip = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
        elif char == "," and not depth:
            pieces.append(text[start:at])
            start = at + 1
    pieces.append(text[start:])
    return pieces
