"""Import of exchanges: JSON lines, plain or zstd, each a recorded call with its request and its response.

Source: docs/spec/import/exchanges.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from runstore.capture.exchange import Exchange
from runstore.capture.importers.bodies import Unnamed, as_json, from_base64, from_text, pairs
from runstore.capture.importers.entries import Bad, Call, Entry, Session
from runstore.capture.importers.files import stem
from runstore.errors import InvalidInput
from runstore.runs.compose import microseconds
from runstore.store.lines import lines

_NOTES = ("licence", "scope")


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the exchanges of a file, one a line."""
    unnamed = Unnamed()
    for number, line in enumerate(lines(stream), 1):
        if line.strip():
            place = f"line {number}"
            try:
                yield _call(place, stem(name), _object(line), unnamed)
            except InvalidInput as error:
                yield Bad(place, str(error))


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"no JSON: {error}", kind="bad-json") from error
    if not isinstance(found, dict) or not isinstance(found.get("url"), str) or found.get("request_body") is None:
        raise InvalidInput("an exchange is an object with `url` and `request_body`", kind="bad-exchange")
    return found


def _call(place: str, file: str, line: dict[str, Any], unnamed: Unnamed) -> Call:
    status = line.get("status")
    if status is not None and type(status) is not int:
        raise InvalidInput("`status` is no integer", kind="bad-exchange")
    answered = status is not None and line.get("response_body") is not None
    error = line.get("error")
    exchange = Exchange(
        str(line.get("method") or "POST"),
        line["url"],
        pairs(line.get("request_headers")),
        _body(line, "request"),
        status,
        pairs(line.get("response_headers")),
        _body(line, "response") if answered else b"",
        _time(line, "started"),
        _time(line, "ended"),
        line.get("complete", True) is True and (answered or status is None),
        None if error is None else str(error),
        not line.get("request_body_was_parsed", False),
    )
    source = line.get("id") or line.get("source")
    notes = {key: line[key] for key in _NOTES if isinstance(line.get(key), str)}
    if isinstance(source, str):
        notes["source"] = source
    named = source if isinstance(source, str) else unnamed.name(exchange)
    return Call(place, _session(line, file), named, exchange, notes)


def _body(line: dict[str, Any], side: str) -> bytes:
    held = line[f"{side}_body"]
    if not isinstance(held, str):
        return as_json(held)
    return from_base64(held) if line.get(f"{side}_body_encoding") == "base64" else from_text(held)


def _time(line: dict[str, Any], key: str) -> int | None:
    return None if line.get(key) is None else microseconds(key, line[key])


def _session(line: dict[str, Any], file: str) -> Session:
    """Return what encloses a line: its `session`, else the file that its `source` names, else the file that holds it."""
    session, source = line.get("session"), line.get("source")
    if isinstance(session, str) and session:
        return (session,)
    if not isinstance(source, str) or not source:
        return (file,)
    parts = urlsplit(source)
    return tuple(part for part in (parts.netloc.rpartition("@")[2], *parts.path.split("/")) if part) or (file,)
