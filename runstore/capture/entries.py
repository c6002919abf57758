"""Entries of the journal as calls: what a recorder writes, and what a drain reads. No credential reaches one.

Headers that no list names and query keys that are dropped do not even reach the journal. Standard library alone.
Source: docs/spec/journal.md, "Entries".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from runstore.capture.codecs.urls import REQUEST_HEADERS, RESPONSE_HEADERS, VERSION_HEADERS, read_url
from runstore.capture.content import decoded
from runstore.capture.exchange import Exchange, Pairs
from runstore.capture.journal.frames import BEGUN, CALL, Entry
from runstore.errors import InvalidInput

_ENCODINGS = frozenset(("content-encoding",))
_BEGUN_KEYS = ("id", "method", "url", "request_headers", "started")
_KEPT = REQUEST_HEADERS | VERSION_HEADERS | _ENCODINGS


class Seen(NamedTuple):
    """A call as an entry holds it: its id (the execution's nonce), the exchange, its label, and what was redacted in it."""

    id: str
    exchange: Exchange
    label: dict[str, Any]
    redacted: list[Any]


def kept(exchange: Exchange) -> Exchange:
    """Return an exchange without what may not be kept: headers on no list, and what `read_url` drops."""
    return exchange._replace(
        url=read_url(exchange.url).kept,
        request_headers=tuple([pair for pair in exchange.request_headers if _is_kept_of_a_request(pair[0])]),
        response_headers=tuple([pair for pair in exchange.response_headers if _is_kept_of_a_response(pair[0])]),
    )


@lru_cache(maxsize=1024)
def _is_kept_of_a_request(name: str) -> bool:
    return name.lower() in _KEPT


@lru_cache(maxsize=1024)
def _is_kept_of_a_response(name: str) -> bool:
    lower = name.lower()
    return lower in _ENCODINGS or RESPONSE_HEADERS.match(lower) is not None


def entry_of(seen: Seen, *, begun: bool = False) -> Entry:
    """Write a call whose exchange was `kept`. `begun`: it is about to be sent."""
    one = seen.exchange
    head: dict[str, Any] = {
        "id": seen.id,
        "method": one.method,
        "url": one.url,
        "request_headers": one.request_headers,
        "started": one.started,
        "status": one.status,
        "response_headers": one.response_headers,
        "ended": one.ended,
        "complete": one.complete,
        "error": one.error,
        "interrupted": one.interrupted,
    }
    if begun:
        head = {key: head[key] for key in _BEGUN_KEYS}
    if seen.label:
        head["label"] = seen.label
    if seen.redacted:
        head["redacted"] = seen.redacted
    return Entry(BEGUN if begun else CALL, head, one.request_body, b"" if begun else one.response_body)


def seen_of(entry: Entry) -> Seen:
    """Read a call. One that was begun and nothing more is an interrupted one. Raises InvalidInput for what is none."""
    head = entry.head
    try:
        exchange = Exchange(
            head["method"],
            head["url"],
            _pairs(head["request_headers"]),
            entry.sent,
            head.get("status"),
            _pairs(head.get("response_headers", ())),
            entry.received,
            head.get("started"),
            head.get("ended"),
            bool(head.get("complete", False)),
            head.get("error"),
            interrupted=bool(head.get("interrupted", entry.kind == BEGUN)),
        )
        return Seen(head["id"], plain(exchange), dict(head.get("label", {})), list(head.get("redacted", ())))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"an entry of the journal is no call: {error}", kind="bad-entry") from error


def plain(exchange: Exchange) -> Exchange:
    """Return an exchange with the content encoding of the response removed; bytes that cannot be read so stay, and the error says why."""
    encoding = next((value.lower() for name, value in exchange.response_headers if name.lower() == "content-encoding"), "")
    if not encoding:
        return exchange
    try:
        body = decoded(exchange.response_body, encoding)
    except InvalidInput as error:
        return exchange._replace(error=exchange.error or str(error), complete=False)
    headers = tuple(pair for pair in exchange.response_headers if pair[0].lower() != "content-encoding")
    return exchange._replace(response_body=body, response_headers=headers)


def _pairs(found: Any) -> Pairs:
    return tuple((str(name), str(value)) for name, value in found)
