"""Import of HAR: what browsers, proxies and debuggers export (HTTP Archive 1.2).

Source: docs/spec/import/har.md; http://www.softwareishard.com/blog/har-12-spec/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlencode

from runstore.capture.exchange import Exchange
from runstore.capture.importers.bodies import calls, from_base64, from_text, pairs
from runstore.capture.importers.entries import Entry
from runstore.capture.importers.files import json_of, whole
from runstore.errors import InvalidInput
from runstore.runs.compose import microseconds


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the entries of a HAR file, in its order. Raises InvalidInput if it is none."""
    data = json_of(whole(stream))
    log = data.get("log") if isinstance(data, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise InvalidInput("no HAR: it has no `log.entries`", kind="bad-har")
    yield from calls(name, "log.entries", "entry", entries, _exchange)


def _exchange(entry: dict[str, Any]) -> Exchange:
    request, response = entry["request"], entry.get("response") or {}
    started = None if entry.get("startedDateTime") is None else microseconds("startedDateTime", entry["startedDateTime"])
    took = entry.get("time")
    ended = started + round(took * 1000) if started is not None and isinstance(took, int | float) and took >= 0 else None
    status = response.get("status") or None  # 0 and -1: no response came
    answered = type(status) is int and status > 0
    body = _answer(response) if answered else None
    error = entry.get("_error") or response.get("_error")
    return Exchange(
        str(request["method"]),
        str(request["url"]),
        _headers(request),
        _asked(request),
        status if answered else None,
        _headers(response) if answered else (),
        body or b"",
        started,
        ended,
        body is not None or not answered,
        str(error) if error else None,
    )


def _headers(side: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    # HTTP/2 pseudo headers (`:method`, `:path`) are not headers of the message.
    return tuple(pair for pair in pairs(side.get("headers")) if not pair[0].startswith(":"))


def _asked(request: dict[str, Any]) -> bytes:
    posted = request.get("postData") or {}
    text = posted.get("text")
    if text is not None:
        return from_base64(text) if posted.get("encoding") == "base64" else from_text(text)
    params = posted.get("params") or []
    return urlencode([(each["name"], each.get("value", "")) for each in params]).encode()


def _answer(response: dict[str, Any]) -> bytes | None:
    """Return the body, which HAR keeps without its content encoding; None if the exporter left it out, as many do for streams."""
    content = response.get("content") or {}
    text = content.get("text")
    if text is None:
        return None if content.get("size") != 0 else b""
    return from_base64(text) if content.get("encoding") == "base64" else from_text(text)
