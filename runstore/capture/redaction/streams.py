"""Streams: a secret that comes in pieces is masked in the pieces.

The strings of the events are put together, each at its place (`choices/0/delta/content` of one choice, say), scanned as one text, and the
masks put into the pieces: the first piece holds the mask, and what the others held of the secret is gone. The framing stays as it was.
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterator
from typing import Any, NamedTuple

from runstore.capture.redaction.pointers import escaped
from runstore.capture.redaction.scan import Finding, Scanner

AMAZON = "application/vnd.amazon.eventstream"
_LINES = frozenset(("text/event-stream", "application/x-ndjson", "application/stream+json", "application/jsonl", "application/json-lines"))
_PRELUDE, _CHECK = 12, 4
# What tells one of several texts that come interleaved from another.
_NUMBERS = ("index", "output_index", "content_index", "summary_index", "contentBlockIndex", "item_id", "type")

Place = tuple[str, str]
"""The pointer of what was found, and the rule."""


class _Leaf(NamedTuple):
    """A string of an event: the map or array that holds it, its key there, and the pointer."""

    event: int
    holder: Any
    key: Any
    pointer: str


def is_stream(media_type: str, body: bytes) -> bool:
    """True for a body that is a stream of JSON."""
    start = body[:64].lstrip()
    return media_type == AMAZON or media_type in _LINES or start.startswith((b"data:", b"event:"))


def mask_stream(media_type: str, body: bytes, scanner: Scanner) -> tuple[bytes, list[Place]]:
    """Return a stream without its secrets, and where they stood: pointers whose first number counts the events."""
    frames = list(_amazon(body)) if media_type == AMAZON else list(_lines(body))
    values = [_read(frame.payload) for frame in frames]
    events = [number for number, value in enumerate(values) if value is not None]
    texts: dict[tuple[Any, ...], list[_Leaf]] = {}
    packed: dict[int, dict[str, Any]] = {}
    for count, number in enumerate(events):
        value = values[number] or {}
        inner = _inner(value)
        if inner is not None:
            packed[number] = inner
        for key, leaf in _leaves(value if inner is None else inner, number, f"/{count}", ()):
            texts.setdefault(key, []).append(leaf)
    changed: set[int] = set()
    places: list[Place] = []
    for leaves in texts.values():
        found = scanner.find("".join([leaf.holder[leaf.key] for leaf in leaves]))
        if found:
            places += _mask(leaves, found, changed)
    if not changed:
        return body, []
    for number in changed:
        value = values[number] or {}
        if number in packed:
            value = {**value, "bytes": b64encode(_json(packed[number])).decode()}
        frames[number] = frames[number]._replace(payload=_json(value))
    return b"".join([frame.written() for frame in frames]), places


def _mask(leaves: list[_Leaf], found: list[Finding], changed: set[int]) -> list[Place]:
    """Put the masks of a text into the pieces that it came in."""
    places: list[Place] = []
    pieces = [leaf.holder[leaf.key] for leaf in leaves]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    for place, leaf in enumerate(leaves):
        start, end = starts[place], starts[place + 1]
        inside = [one for one in found if one.start < end and one.end > start]
        if not inside:
            continue
        text, at = "", start
        for one in inside:
            text += pieces[place][at - start : max(one.start, start) - start]
            if one.start >= start:
                text += one.mask
                places.append((leaf.pointer, one.rule))
            at = min(one.end, end)
        leaf.holder[leaf.key] = text + pieces[place][at - start :]
        changed.add(leaf.event)
    return places


def _leaves(value: Any, event: int, pointer: str, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], _Leaf]]:
    """Yield the strings of an event with the key under which pieces of one text come."""
    if isinstance(value, dict):
        told = tuple([(name, value[name]) for name in _NUMBERS if isinstance(value.get(name), int | str)])
        for name, item in value.items():
            inside = (*path, *told, name) if name not in _NUMBERS else (*path, name)
            if isinstance(item, str):
                yield inside, _Leaf(event, value, name, f"{pointer}/{escaped(name)}")
            else:
                yield from _leaves(item, event, f"{pointer}/{escaped(name)}", inside)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, str):
                yield (*path, number), _Leaf(event, value, number, f"{pointer}/{number}")
            else:
                yield from _leaves(item, event, f"{pointer}/{number}", (*path, number))


def _inner(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return what Bedrock's invoke wraps in base64."""
    held = value.get("bytes")
    if not isinstance(held, str):
        return None
    try:
        return _read(b64decode(held))
    except (Error, ValueError):
        return None


def _read(payload: bytes | None) -> dict[str, Any] | None:
    if not payload or payload[:1] != b"{":
        return None
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class _Frame(NamedTuple):
    """What stands before the payload, the payload (None where there is none), and what stands after it."""

    before: bytes
    payload: bytes | None
    after: bytes
    amazon: bool = False

    def written(self) -> bytes:
        """Return the bytes of the frame."""
        payload = self.payload or b""
        if not self.amazon:
            return self.before + payload + self.after
        prelude = struct.pack(">II", _PRELUDE + len(self.before) + len(payload) + _CHECK, len(self.before))
        framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + self.before + payload
        return framed + struct.pack(">I", zlib.crc32(framed))


def _lines(body: bytes) -> Iterator[_Frame]:
    for line in body.splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        end = line[len(text) :]
        head = b""
        if text.startswith(b"data:"):
            head = text[: 6 if text[5:6] == b" " else 5]
        yield _Frame(head, text[len(head) :], end)


def _amazon(body: bytes) -> Iterator[_Frame]:
    at = 0
    while at + _PRELUDE + _CHECK <= len(body):
        total, headers = struct.unpack_from(">II", body, at)
        if total < _PRELUDE + headers + _CHECK or at + total > len(body):
            break
        start = at + _PRELUDE + headers
        yield _Frame(body[at + _PRELUDE : start], body[start : at + total - _CHECK], b"", amazon=True)
        at += total
    if at < len(body):
        yield _Frame(body[at:], None, b"")
