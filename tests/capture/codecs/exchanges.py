"""Recorded exchanges: JSON lines as tools keep them, read and measured.

An exchange is {"url", "method", "request_headers", "request_body", "status", "response_headers", "response_body", "source", "licence"};
bodies that are not UTF-8 are base64 (`…_encoding`), and `request_body_was_parsed` says that the recorder wrote the body anew.
"""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from runstore.capture.codecs import Answer, Codec, Decoded, codec_for
from runstore.capture.codecs.contract import OK, RAW, UNREAD
from runstore.capture.codecs.restream import STREAMS
from runstore.model.encoding import encode
from tests.capture.codecs.support import rebuilt

WINDOW = 1 << 25


class Call(NamedTuple):
    """One exchange, decoded."""

    exchange: dict[str, Any]
    codec: Codec
    decoded: Decoded
    answer: Answer


UNANSWERED = Answer("unanswered", None, None, None, {})
"""Stands where an exchange has no response."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the exchanges of a file of JSON lines, plain or zstd."""
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(raw) if path.suffix == ".zst" else raw
        with io.TextIOWrapper(stream, "utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def body_of(exchange: dict[str, Any], side: str) -> bytes:
    """Return the bytes of a recorded body: `request` or `response`."""
    text = exchange[f"{side}_body"]
    return b64decode(text) if exchange.get(f"{side}_body_encoding") == "base64" else str(text).encode()


def call(exchange: dict[str, Any]) -> Call | None:
    """Decode an exchange; None if no codec has such calls."""
    codec = codec_for(exchange["url"], exchange["method"], exchange["request_headers"])
    if codec is None:
        return None
    decoded = codec.decode_request(exchange["url"], exchange["request_headers"], body_of(exchange, "request"))
    if "response_body" not in exchange:
        return Call(exchange, codec, decoded, UNANSWERED)
    answer = codec.decode_response(exchange["status"], exchange["response_headers"], body_of(exchange, "response"), decoded.slots)
    return Call(exchange, codec, decoded, answer)


COLUMNS = (
    "exchanges", "decoded", "wire", "byte_exact", "parsed", "json_equal", "raw_kept", "unread", "unresolved",
    "ok", "error", "partial", "output", "runtime", "rebuilt", "both_forms", "turns", "shared", "shared_but_order",
)  # fmt: skip


def measure(exchanges: Iterator[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Return the counts of COLUMNS for each API."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    conversations: dict[str, list[tuple[int, Call]]] = defaultdict(list)
    for exchange in exchanges:
        found = call(exchange)
        counts[found.codec.name if found else exchange["api"]]["exchanges"] += 1
        if found is not None:
            _count(counts[found.codec.name], found)
            name, _, number = exchange["source"].partition("#interaction=")
            conversations[name].append((int(number or 0), found))
    for turns in conversations.values():
        told = [each for _, each in sorted(turns, key=lambda turn: turn[0])]
        for one, other in pairwise(told):
            _count_turn(counts[one.codec.name], one, other)
    return counts


def table(counts: dict[str, Counter[str]]) -> str:
    """Return the counts as text."""
    total: Counter[str] = sum(counts.values(), Counter())
    rows = [
        ["api", *COLUMNS],
        *([name, *(str(each[column]) for column in COLUMNS)] for name, each in [*sorted(counts.items()), ("total", total)]),
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def _count(count: Counter[str], found: Call) -> None:
    sent = body_of(found.exchange, "request")
    count["decoded"] += 1
    again = rebuilt(found.codec, found.decoded)
    if found.exchange.get("request_body_was_parsed"):
        count["parsed"] += 1
        count["json_equal"] += _equal(again, sent)
    else:
        count["wire"] += 1
        count["byte_exact"] += again == sent
    count["raw_kept"] += found.decoded.exact == RAW
    count["unread"] += found.decoded.exact == UNREAD
    count["unresolved"] += bool(found.codec.unresolved(found.decoded.slots, found.decoded.wire))
    answer = found.answer
    count[answer.status] += 1
    count["output"] += answer.output is not None
    count["runtime"] += answer.runtime is not None
    encode([answer.output, answer.runtime, answer.usage, answer.response])
    if isinstance(answer.response["body"], dict):
        count["rebuilt"] += _is_rebuilt(found)
        count["both_forms"] += _has_both_forms(found)


def _is_rebuilt(found: Call) -> bool:
    """True if an answer in one piece is written again, keys without a value and the history that Cohere repeats aside."""
    if "streamed" in found.answer.response:
        return False
    body = json.loads(body_of(found.exchange, "response"))
    told = {key: item for key, item in body.items() if key != "chat_history"}
    return bool(_stated(found.codec.rebuild_response(found.answer)) == _stated(told))


def _has_both_forms(found: Call) -> bool:
    """True if the answer, written in one piece and as a stream, gives the same output each time."""
    answer, codec = found.answer, found.codec
    if codec.name not in STREAMS or answer.status != OK or not answer.output or "operation" in found.decoded.slots["model"]:
        return False
    whole = codec.rebuild_response(answer)
    stream = STREAMS[codec.name](whole)
    if stream is None:
        return False
    many = codec.decode_response(200, {"content-type": stream.media_type}, stream.body, found.decoded.slots)
    one = codec.decode_response(200, {"content-type": "application/json"}, json.dumps(whole).encode(), found.decoded.slots)
    return all(
        (each.status, encode(each.output), each.runtime, each.usage) == (OK, encode(answer.output), answer.runtime, answer.usage)
        for each in (one, many)
    )


def _count_turn(count: Counter[str], one: Call, other: Call) -> None:
    """Count a pair of calls whose histories follow on each other, and whether the second quotes the answer of the first as one object."""
    before, after = (each.decoded.slots.get("history") for each in (one, other))
    output = one.answer.output
    if (
        one.codec is not other.codec
        or one.answer.status != OK
        or not (isinstance(before, list) and isinstance(after, list) and isinstance(output, list))
    ):
        return
    if len(after) <= len(before) or _unordered(after[: len(before)]) != _unordered(before):
        return
    quote = after[len(before) : len(before) + len(output)]
    count["turns"] += 1
    count["shared"] += encode(quote) == encode(output)
    count["shared_but_order"] += encode(quote) != encode(output) and _unordered(quote) == _unordered(output)


def _equal(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stated(item) for key, item in value.items() if item is not None and key != "chat_history"}
    return [_stated(item) for item in value] if isinstance(value, list) else value


def _unordered(value: Any) -> Any:
    """Return a value that equals another if they differ in the order of keys alone."""
    return encode(_sorted(value)).body


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
