"""Assembling: an exchange becomes a run and the fields of its execution. Pure: no store, no clock, no chance.

The request is decoded, written again from its slots as a store gives them back, and compared with what was sent: what no style rebuilds is
kept raw as well, and what no run can hold is kept unread. So whatever the bytes, the request can be rebuilt.
Nothing is looked up: references stay references. `resolving.resolve` does that, with a store at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from runstore.capture.codecs import Answer, Codec, Decoded, Unresolved, codec_for
from runstore.capture.codecs.contract import ERROR, INTERRUPTED, PARTIAL, RAW, STYLED, UNREAD
from runstore.capture.codecs.request import as_stored
from runstore.capture.declared import Declared, found_in
from runstore.capture.exchange import Exchange
from runstore.errors import InvalidInput
from runstore.model.ids import Link
from runstore.model.run import Run, value_part
from runstore.model.trees import UNKNOWN
from runstore.runs.compose import output_part

Redact = Callable[[Exchange], tuple[Exchange, Sequence[Any]]]
"""Masks what must not be stored; returns the exchange to store and what goes to `notes.redacted`. Raises Refused to refuse the call."""

_CHECKED_BYTES = 1 << 20  # a body shorter than this has fewer nodes, and fewer bytes, than a value may have
_ERROR_LENGTH = 500


class Label(NamedTuple):
    """What a program says of a call beside the call itself. Nothing in it is part of the composition."""

    ref: str | None = None
    session: str | None = None
    scope: str | None = None
    notes: Mapping[str, Any] | None = None
    actor: str | None = None
    cause: Link | None = None
    nonce: str | None = None
    documents: tuple[Declared, ...] = ()


class Facts(NamedTuple):
    """How exact a recording is: what `--report` counts.

    `exact`: the body is rebuilt byte for byte. `json_equal`: what is rebuilt is the same JSON. `raw_kept`: the bytes lie in the store
    beside the slots, or instead of them (`unread`). `served` names the model that answered, where the answer says so.
    """

    api: str
    exact: bool
    json_equal: bool
    raw_kept: bool
    unread: bool
    served: str | None
    unresolved: tuple[Unresolved, ...]
    redacted: tuple[Any, ...]


class Assembled(NamedTuple):
    """A run, the fields for `repo.add(run, **fields)`, and how exact they are."""

    run: Run
    fields: dict[str, Any]
    facts: Facts


def assemble(exchange: Exchange, label: Label = Label(), *, redact: Redact | None = None) -> Assembled | None:  # noqa: B008 - immutable
    """Make the run and the execution of an exchange; None if no codec knows the URL.

    Raises what `redact` raises, and InvalidInput for what no object can hold even unread: a body above 4 GiB.
    """
    codec = codec_for(exchange.url, exchange.method, exchange.request_headers)
    if codec is None:
        return None
    redacted: tuple[Any, ...] = ()
    if redact is not None:
        exchange, found = redact(exchange)
        redacted = tuple(found)
    decoded, rebuilt = _request(codec, exchange)
    answer = _answer(codec, exchange, decoded)
    run = _run(decoded, answer)
    if run is None:
        decoded = codec.keep_request(exchange.url, exchange.request_headers, exchange.request_body)
        rebuilt = codec.rebuild_request(decoded.slots, decoded.wire).body
        run = Run(**decoded.slots, runtime=_runtime(answer))
    sent = exchange.request_body
    served = (answer.runtime or {}).get("model") if answer else None
    facts = Facts(
        codec.name,
        rebuilt == sent,
        rebuilt == sent or _same_json(rebuilt, sent),
        decoded.exact in (RAW, UNREAD),
        decoded.exact == UNREAD,
        served if isinstance(served, str) else None,
        codec.unresolved(decoded.slots, decoded.wire),
        redacted,
    )
    return Assembled(run, _fields(exchange, label, decoded, answer, redacted), facts)


def _request(codec: Codec, exchange: Exchange) -> tuple[Decoded, bytes]:
    """Decode a request and write it again; keep the bytes where that gives others."""
    sent = exchange.request_body
    decoded = codec.decode_request(exchange.url, exchange.request_headers, sent)
    if decoded.exact == STYLED and isinstance(decoded.wire.get("style"), str):
        return decoded, sent  # it was written again to find that style
    rebuilt = _rebuilt(codec, decoded)
    if rebuilt == sent:
        return decoded, sent
    raw = Decoded(decoded.slots, {**decoded.wire, "raw": sent}, RAW)
    if _rebuilt(codec, raw) == sent:
        return raw, sent
    kept = codec.keep_request(exchange.url, exchange.request_headers, sent)
    return kept, codec.rebuild_request(kept.slots, kept.wire).body


def _rebuilt(codec: Codec, decoded: Decoded) -> bytes | None:
    """Write a request from its slots as a store gives them back: settings in normal form."""
    try:
        return codec.rebuild_request(as_stored(decoded.slots), decoded.wire).body
    except (InvalidInput, RecursionError):  # hundreds of levels: no run holds more than 64
        return None


def _run(decoded: Decoded, answer: Answer | None) -> Run | None:
    """Make the run; None if the slots are more than one can hold."""
    try:
        if "raw" in decoded.wire or len(decoded.wire.get("keys", ())) > 1000:
            value_part(decoded.wire)
        return Run(**decoded.slots, runtime=_runtime(answer))
    except InvalidInput:
        return None


def _runtime(answer: Answer | None) -> Any:
    return UNKNOWN if answer is None or answer.runtime is None else answer.runtime


def _answer(codec: Codec, exchange: Exchange, decoded: Decoded) -> Answer | None:
    """Read the answer; None if none came."""
    if exchange.status is None:
        return None
    body = exchange.response_body
    answer = codec.decode_response(exchange.status, exchange.response_headers, body, decoded.slots)
    if len(body) >= _CHECKED_BYTES and not _holds(answer):
        # Well-formed and more than a value can hold: the bytes are kept, and nothing is lost.
        response = {key: item for key, item in answer.response.items() if key != "body"} | {"body": body}
        return Answer(answer.status, None, answer.runtime, None, response)
    return answer


def _holds(answer: Answer) -> bool:
    try:
        value_part(answer.response)
        if answer.output is not None:
            output_part(answer.output)
    except InvalidInput:
        return False
    return True


def _status(exchange: Exchange, answer: Answer | None) -> str:
    """Return how a call ended: what the answer says, which knows its own end mark. Who stopped reading makes it partial or interrupted."""
    if answer is None:
        return INTERRUPTED if exchange.interrupted else ERROR
    unread = not exchange.complete and not exchange.response_body.strip()
    if answer.status == PARTIAL or unread:
        return INTERRUPTED if exchange.interrupted else PARTIAL
    return answer.status


def _fields(exchange: Exchange, label: Label, decoded: Decoded, answer: Answer | None, redacted: tuple[Any, ...]) -> dict[str, Any]:
    notes = dict(label.notes or {})
    stated = {"session": label.session, "scope": label.scope, "redacted": list(redacted) or None}
    if exchange.error is not None:
        stated["error"] = exchange.error[:_ERROR_LENGTH]
    if label.documents:
        stated["documents"] = found_in(label.documents, decoded.slots)
    notes |= {name: item for name, item in stated.items() if item is not None}
    fields = {
        "status": _status(exchange, answer),
        "started": exchange.started,
        "ended": exchange.ended,
        "wire": decoded.wire or None,
        "notes": notes or None,
    }
    if answer is not None:
        fields |= {"output": answer.output, "usage": answer.usage, "response": answer.response}
    said = {"ref": label.ref, "actor": label.actor, "cause": label.cause, "nonce": label.nonce}
    return fields | {name: item for name, item in said.items() if item is not None}


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
