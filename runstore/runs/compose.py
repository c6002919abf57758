"""Composition: what a program hands over (slots, an output, fields) becomes a Run and a Draft of its execution. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runstore.errors import InvalidInput
from runstore.model.ids import Kind, Link, Object, make_object, parse_link
from runstore.model.run import Part, Run, list_part, value_part
from runstore.model.scalars import LEAST_INT, MOST_INT
from runstore.model.slots import READING_ORDER
from runstore.model.trees import ABSENT, UNKNOWN
from runstore.runs.record import Draft

FIELDS = (
    "output",
    "status",
    "started",
    "ended",
    "nonce",
    "actor",
    "message",
    "cause",
    "response",
    "wire",
    "usage",
    "notes",
    "extra_fields",
)
MAPS, TEXTS = ("usage", "notes", "extra_fields"), ("nonce", "actor", "message")
_KEPT = (*TEXTS, "status")  # as they are, where they are texts
STATUSES = ("ok", "error", "partial", "interrupted")


def run_from_mapping(slots: Mapping[str, Any]) -> Run:
    """Compose a run from slots as JSON gives them: None is unknown, False is absent, all else is present.

    Raises InvalidInput for a name that is no slot, or a value that cannot be an object.
    """
    for name in slots:
        if name not in READING_ORDER:
            raise InvalidInput(f"a run has no slot {name!r}", hint=f"its slots are {', '.join(READING_ORDER)}", kind="bad-name")
    return Run.of({name: UNKNOWN if value is None else ABSENT if value is False else value for name, value in slots.items()})


def draft(run: Run | Mapping[str, Any], ref: str, fields: Mapping[str, Any]) -> Draft:
    """Make the draft of an execution: values among its fields become parts, times become integers. Raises InvalidInput."""
    composed = run if isinstance(run, Run) else run_from_mapping(run)
    parts: list[Part] = []
    stated: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in FIELDS:
            raise InvalidInput(f"an execution has no field {name!r}", hint=f"its fields are {', '.join(FIELDS)}", kind="bad-name")
        if type(value) is str and name in _KEPT:
            stated[name] = value
        elif value is not None:
            stated["extra" if name == "extra_fields" else name] = _field(name, value, parts)
    if stated.get("status") not in STATUSES:
        raise InvalidInput(f"{stated.get('status')!r} is no status", hint=f"a status is one of {', '.join(STATUSES)}", kind="bad-status")
    return Draft(composed, ref, stated, tuple(parts))


def output_part(output: Any) -> Part:
    """Return the part for an output: bytes are a blob, a list of messages or one message (a map with `role`) a list, all else a value."""
    if isinstance(output, bytes):
        blob = make_object(Kind.BLOB, output)
        return Part(blob.link, (blob,), None)
    if isinstance(output, Mapping) and "role" in output:
        return list_part([output])
    return list_part(output, "output") if isinstance(output, (list, tuple)) else value_part(output, "output")


def value_objects(value: Any) -> list[Object]:
    """Return the objects of one value: the blobs in it, then the value."""
    return list(value_part(value, "value").objects)


def _field(name: str, value: Any, parts: list[Part]) -> Any:
    if name in ("output", "response", "wire"):
        if isinstance(value, Link):
            return value
        part = output_part(value) if name == "output" else value_part(value, name)
        parts.append(part)
        return part.link
    if name in ("started", "ended"):
        return microseconds(name, value)
    if name == "cause":
        return value if isinstance(value, Link) else _execution(name, value)
    if name in MAPS and not isinstance(value, Mapping):
        raise InvalidInput(
            f"{name}: {type(value).__name__} is no map", hint='give a map, for example {"session": "s1"}', kind="bad-execution"
        )
    if name in TEXTS and not isinstance(value, str):
        raise InvalidInput(f"{name}: {type(value).__name__} is no text", hint="give a text, or leave it out", kind="bad-execution")
    return value


def _execution(name: str, value: Any) -> Link:
    try:
        return parse_link(value if isinstance(value, str) else type(value).__name__, Kind.EXECUTION)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}", hint="give the id of an execution: 64 hex digits", kind=error.kind) from error


def microseconds(name: str, value: Any) -> int:
    """Return a time as microseconds since 1970 UTC: an int as it is, text read as ISO 8601 (UTC where it names no zone)."""
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_INT <= value <= MOST_INT:
        return value
    if not isinstance(value, str):
        large = type(value) is int  # one that may have more digits than are shown to anybody
        raise InvalidInput(
            f"{name}: {'a number beyond 64 bits' if large else repr(value)[:40]} is no time",
            hint="give microseconds since 1970 UTC as an integer, or ISO 8601 text",
            kind="bad-time",
        )
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(
            f"{name}: {value[:40]!r} is no time",
            hint="write ISO 8601, for example 2026-01-31T12:00:00Z, or microseconds since 1970 UTC",
            kind="bad-time",
        ) from error
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
