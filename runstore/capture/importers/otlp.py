"""Import of OpenTelemetry traces in OTLP JSON, with the attributes of GenAI or of OpenInference. Each call of a model is an execution.

Source: docs/spec/import/otlp.md; OTLP 1 (JSON encoding), the semantic conventions for generative AI, OpenInference's conventions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from runstore.capture.importers import genai, openinference
from runstore.capture.importers.entries import Bad, Entry, Told
from runstore.capture.importers.files import values_of, whole
from runstore.capture.importers.told import stated
from runstore.errors import InvalidInput

_ERROR = 2
_BROKEN = (KeyError, TypeError, AttributeError, IndexError, ValueError)


class Span(NamedTuple):
    """A span with its attributes as plain values, and those of its events and log records by the event's name."""

    raw: Mapping[str, Any]
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the calls of models of a file, trace by trace, in the order of their beginning. Raises InvalidInput if it is none.

    The file is one export of spans and log records, or one a line, as the collector's file exporter writes them.
    """
    spans: dict[tuple[str, str], Span] = {}
    try:
        _gather(values_of(whole(stream)), spans)
    except InvalidInput:
        raise
    except _BROKEN as error:
        raise InvalidInput("no export of OpenTelemetry: its spans are no spans", kind="bad-export") from error
    ordered = sorted(spans.items(), key=lambda item: (item[0][0], _began(item[1]), item[0][1]))
    for (trace, identity), span in ordered:
        place = f"span {identity}"
        try:
            told = _told(place, trace, identity, span, spans)
        except (InvalidInput, *_BROKEN) as error:
            yield Bad(place, str(error) if isinstance(error, InvalidInput) else "no span of a call of a model")
            continue
        if told is not None:
            yield told


def _gather(values: list[Any], spans: dict[tuple[str, str], Span]) -> None:
    """Take the spans of all exports of a file, and put the log records to them that were made within."""
    logs: list[Mapping[str, Any]] = []
    for value in values:
        if not isinstance(value, dict) or not value.keys() & {"resourceSpans", "resourceLogs", "resource_spans"}:
            raise InvalidInput("no export of OpenTelemetry: it has neither `resourceSpans` nor `resourceLogs`", kind="bad-export")
        for raw in _inside(value, ("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), "spans"):
            spans[(_id(raw, "traceId"), _id(raw, "spanId"))] = _span(raw)
        logs += _inside(value, ("resourceLogs",), ("scopeLogs",), "logRecords")
    for record in logs:
        around = spans.get((_id(record, "traceId"), _id(record, "spanId")))
        if around is not None:
            around.events.append((str(record.get("eventName") or attributes(record).get("event.name") or ""), _record(record)))


def attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span, an event or a log record as plain values."""
    return {each["key"]: _plain(each.get("value") or {}) for each in holder.get("attributes") or []}


def _told(place: str, trace: str, identity: str, span: Span, spans: Mapping[tuple[str, str], Span]) -> Told | None:
    for conventions in (openinference, genai):
        told = conventions.told(span.attributes, span.events)
        if told is not None:
            slots, fields = told
            break
    else:
        return None
    started, ended = (_nanoseconds(span.raw, key) for key in ("startTimeUnixNano", "endTimeUnixNano"))
    status = span.raw.get("status") or {}
    failed = status.get("code") in (_ERROR, "STATUS_CODE_ERROR") or "error.type" in span.attributes
    notes = stated({
        "session": fields.pop("session", None) or trace,
        "scope": "/".join(_names(span, trace, spans)) or None,
        "trace": trace,
        "error": (status.get("message") or span.attributes.get("error.type")) if failed else None,
    })  # fmt: skip
    fields |= {
        "status": "error" if failed else "ok",
        "started": None if started is None else started // 1000,
        "ended": None if ended is None else ended // 1000,
        "notes": notes,
    }
    return Told(place, (trace,), f"{trace}/{identity}", slots, fields)


def _inside(value: Mapping[str, Any], outer: tuple[str, ...], scopes: tuple[str, ...], inner: str) -> list[Mapping[str, Any]]:
    resources: list[Mapping[str, Any]] = next((value[key] for key in outer if key in value), [])
    return [
        item
        for resource in resources
        for scope in next((resource[key] for key in scopes if key in resource), [])
        for item in scope.get(inner) or []
    ]


def _span(span: Mapping[str, Any]) -> Span:
    return Span(span, attributes(span), [(str(event.get("name")), attributes(event)) for event in span.get("events") or []])


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a log record; a body that is a map is among them, as older conventions had it."""
    body = _plain(record.get("body") or {})
    return {**(body if isinstance(body, dict) else {}), **attributes(record)}


def _id(holder: Mapping[str, Any], key: str) -> str:
    return str(holder.get(key) or "").lower()


def _nanoseconds(span: Mapping[str, Any], key: str) -> int | None:
    return int(span[key]) if span.get(key) else None


def _began(span: Span) -> int:
    found = str(span.raw.get("startTimeUnixNano") or "")
    return int(found) if found.isascii() and found.isdigit() else 0


def _names(span: Span, trace: str, spans: Mapping[tuple[str, str], Span]) -> list[str]:
    """Return the names of the spans around one, the outermost first."""
    names: list[str] = []
    at = spans.get((trace, _id(span.raw, "parentSpanId")))
    while at is not None and len(names) < 64:
        names.append(str(at.raw.get("name") or "").replace("/", "_"))
        at = spans.get((trace, _id(at.raw, "parentSpanId")))
    return names[::-1]


def _plain(value: Mapping[str, Any]) -> Any:
    """Return the value of OTLP's AnyValue. 64-bit integers are texts in JSON."""
    for key, item in value.items():
        if key == "intValue":
            return int(item)
        if key == "arrayValue":
            return [_plain(each) for each in item.get("values") or []]
        if key == "kvlistValue":
            return {each["key"]: _plain(each.get("value") or {}) for each in item.get("values") or []}
        if key in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return item
    return None
