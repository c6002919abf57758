"""The redactor: hooks and the scan, over the URL, the headers that are kept, and the bodies of an exchange; over slots and fields.

Each finding is told as {"at": JSON pointer, "rule": name}. Pointers begin with /request/url, /request/headers/NAME, /request/body,
/response/headers/NAME, /response/body or /error; in a body that is JSON they go on into the value, in a stream after the number of
the event.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runstore.capture.codecs.urls import REQUEST_HEADERS, RESPONSE_HEADERS, VERSION_HEADERS, media_type
from runstore.capture.exchange import Exchange, Pairs
from runstore.capture.redaction.pointers import Pointers, escaped
from runstore.capture.redaction.rules import RULES, Rule
from runstore.capture.redaction.scan import Scanner, apply
from runstore.capture.redaction.streams import is_stream, mask_stream
from runstore.errors import Refused

Hook = Callable[[Exchange], Exchange]
"""A function of the user's: takes an exchange and returns it, or another with what must not be stored taken out. May raise Refused."""

Found = dict[str, str]
MOST_TOLD = 1000
_PARTS = {
    "url": "/request/url",
    "request_headers": "/request/headers",
    "request_body": "/request/body",
    "response_headers": "/response/headers",
    "response_body": "/response/body",
    "error": "/error",
}


class Redactor:
    """Masks secrets in exchanges, or refuses them. Immutable; threads may share one.

    `hooks` are called first, in their order; `rules` may be empty. With `refuse`, a finding raises Refused instead: it names the rule and
    the place, and nothing of the secret.
    """

    def __init__(self, *, rules: Sequence[Rule] = RULES, hooks: Iterable[Hook] = (), refuse: bool = False) -> None:
        self._scanner = Scanner(rules)
        self._hooks = tuple(hooks)
        self._refuse = refuse

    @property
    def refuses(self) -> bool:
        """True if a finding raises Refused."""
        return self._refuse

    def __call__(self, exchange: Exchange) -> tuple[Exchange, tuple[Found, ...]]:
        """Return the exchange to store and what was found in it. Raises Refused."""
        found: list[Found] = []
        for hook in self._hooks:
            changed = hook(exchange)
            name = getattr(hook, "__name__", type(hook).__name__)
            found += [_found(at, name) for part, at in _PARTS.items() if getattr(changed, part) != getattr(exchange, part)]
            exchange = changed
        exchange = exchange._replace(
            url=self._text(exchange.url, "/request/url", found),
            request_headers=self._headers(exchange.request_headers, "/request/headers", found),
            request_body=self._body(exchange.request_headers, exchange.request_body, "/request/body", found),
            response_headers=self._headers(exchange.response_headers, "/response/headers", found),
            response_body=self._body(exchange.response_headers, exchange.response_body, "/response/body", found),
            error=None if exchange.error is None else self._text(exchange.error, "/error", found),
        )
        return exchange, self._told(found)

    def value(self, value: Any, at: str = "") -> tuple[Any, tuple[Found, ...]]:
        """Return a value without the secrets in its strings, its keys and its bytes, and what was found. Raises Refused."""
        found: list[Found] = []
        return self._value(value, at, found), self._told(found)

    def told(self, slots: dict[str, Any], fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[Found]]:
        """Mask the slots of a run and the fields of its execution; return them and what was found. Raises Refused."""
        found: list[Found] = []
        slots = self._value(slots, "/run", found)
        fields = self._value(fields, "/execution", found)
        return slots, fields, list(self._told(found))

    def _told(self, found: list[Found]) -> tuple[Found, ...]:
        if found and self._refuse:
            first = found[0]
            raise Refused(
                f"the call holds a secret ({first['rule']}) at {self._scanner.mask(first['at'])[0]}",
                hint='take it out of what is sent, or let it be masked: redact = "mask"',
                kind="secret-found",
            )
        distinct = dict.fromkeys((one["at"], one["rule"]) for one in found)
        # A pointer is made of keys, and a key may be what was masked.
        return tuple([_found(self._scanner.mask(at)[0], rule) for at, rule in list(distinct)[:MOST_TOLD]])

    def _text(self, text: str, at: str, found: list[Found]) -> str:
        masked, findings = self._scanner.mask(text)
        found += [_found(at, one.rule) for one in findings]
        return masked

    def _headers(self, headers: Pairs, at: str, found: list[Found]) -> Pairs:
        # What is on no list is dropped later, so that a finding in it is none.
        return tuple(
            (name, self._text(value, f"{at}/{escaped(name.lower())}", found) if _kept(name.lower()) else value) for name, value in headers
        )

    def _body(self, headers: Pairs, body: bytes, at: str, found: list[Found]) -> bytes:
        if not body:
            return body
        kind = media_type(headers)
        if is_stream(kind, body):
            body, places = mask_stream(kind, body, self._scanner)
            found += [_found(at + pointer, rule) for pointer, rule in places]
        text, charset = _text_of(body)
        findings = self._scanner.find(text)
        if not findings:
            return body
        pointers = Pointers(text)
        found += [_found(at + pointers.at(one.start), one.rule) for one in findings]
        return apply(text, findings).encode(charset)

    def _value(self, value: Any, at: str, found: list[Found]) -> Any:
        if isinstance(value, str):
            return self._text(value, at, found)
        if isinstance(value, bytes):
            return self._body((), value, at, found)
        if isinstance(value, Mapping):
            return {
                self._text(key, f"{at}/{escaped(key)}", found): self._value(item, f"{at}/{escaped(key)}", found)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(item, f"{at}/{number}", found) for number, item in enumerate(value)]
        return value


def _text_of(body: bytes) -> tuple[str, str]:
    """Return a body as text, and the charset that gives the body again. JSON may begin with a mark, or lie in wide characters."""
    if b"\0" in body[:4] or body.startswith((BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)):
        charset = json.detect_encoding(body)
        with suppress(ValueError, RecursionError):
            text = body.decode(charset)
            json.loads(text)
            return text, charset
    try:
        return body.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return body.decode("latin-1"), "latin-1"


def _kept(name: str) -> bool:
    return name in REQUEST_HEADERS or name in VERSION_HEADERS or RESPONSE_HEADERS.match(name) is not None


def _found(at: str, rule: str) -> Found:
    return {"at": at, "rule": rule}
