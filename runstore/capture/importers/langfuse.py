"""Import of traces of Langfuse: what its API and its exports give as JSON. Each generation is an execution.

Langfuse keeps what an SDK told it, in the SDK's own words: messages, a body, a text. What is not in them is unknown.
Source: docs/spec/import/langfuse.md; Langfuse's public API (`GET /api/public/traces/{id}`, `/observations`) and its exports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from runstore.capture.codecs.media import lift
from runstore.capture.importers.entries import Bad, Entry, Told
from runstore.capture.importers.files import values_of, whole
from runstore.capture.importers.told import conversation, role_of, stated, unpacked
from runstore.errors import InvalidInput
from runstore.runs.compose import microseconds

_GENERATIONS = ("GENERATION", "EMBEDDING")
_MESSAGES = ("messages", "contents", "input")
_BROKEN = (KeyError, TypeError, AttributeError, IndexError)


def read(name: str, stream: BinaryIO) -> Iterator[Entry]:
    """Yield the generations of a file, trace by trace, in the order of their beginning. Raises InvalidInput if it is none."""
    traces: dict[str, dict[str, Any]] = {}
    observations: dict[str, dict[str, Any]] = {}
    for value in values_of(whole(stream)):
        _gather(value, traces, observations)
    if not observations:
        raise InvalidInput("no export of Langfuse: it has no observations", kind="bad-export")
    inside = {one.get("parentObservationId") for one in observations.values() if one.get("type") in _GENERATIONS}
    wrapping = _above(inside, observations)
    ordered = sorted(observations.values(), key=lambda one: (str(one.get("traceId")), str(one.get("startTime")), str(one["id"])))
    for one in ordered:
        # An SDK's own account of a call may enclose another's: the innermost stands nearest to the wire.
        if one.get("type") in _GENERATIONS and one["id"] not in wrapping:
            place = f"observation {one['id']}"
            try:
                yield _told(place, one, traces.get(str(one.get("traceId")), {}), observations)
            except (InvalidInput, *_BROKEN) as error:
                yield Bad(place, str(error) if isinstance(error, InvalidInput) else "no observation")


def _gather(value: Any, traces: dict[str, dict[str, Any]], observations: dict[str, dict[str, Any]]) -> None:
    """Take the traces and observations of a value, whatever encloses them."""
    if isinstance(value, list):
        for item in value:
            _gather(item, traces, observations)
        return
    if not isinstance(value, dict):
        return
    if isinstance(value.get("id"), str) and isinstance(value.get("type"), str) and ("traceId" in value or "startTime" in value):
        observations[value["id"]] = value
        return
    if isinstance(value.get("id"), str) and ("timestamp" in value or "observations" in value):
        traces[value["id"]] = value
    for key in ("trace", "traces", "observations", "data"):
        if isinstance(value.get(key), dict | list):
            _gather(value[key], traces, observations)


def _above(ids: set[Any], observations: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the observations above these, and these themselves."""
    found: set[str] = set()
    for at in ids:
        while isinstance(at, str) and at in observations and at not in found:
            found.add(at)
            at = observations[at].get("parentObservationId")
    return found


def _told(place: str, one: dict[str, Any], trace: Mapping[str, Any], observations: Mapping[str, Mapping[str, Any]]) -> Told:
    held = unpacked(one.get("input"))
    sent = _asked(held)
    parameters = {key: unpacked(value) for key, value in stated(one.get("modelParameters")).items()}
    tools = sent.pop("tools", None) or _tools(one.get("toolDefinitions"))
    slots = {
        "model": {"name": one["model"]} if one.get("model") else None,
        "parameters": parameters or None,
        "tools": tools or None,
        **sent,
    }
    output = _answered(unpacked(one.get("output")))
    session = trace.get("sessionId") or one.get("traceId") or one["id"]
    notes = stated({
        "session": str(session),
        "scope": "/".join(_names(one, observations)) or None,
        "trace": one.get("traceId"),
        "user": trace.get("userId"),
        "error": one.get("statusMessage") if one.get("level") == "ERROR" else None,
    })  # fmt: skip
    usage = one.get("usageDetails") or one.get("usage")
    fields = {
        "output": lift(output),
        "status": "error" if one.get("level") == "ERROR" else "ok",
        "started": _time(one, "startTime"),
        "ended": _time(one, "endTime"),
        "usage": stated(usage) if isinstance(usage, dict) and usage else None,
        "notes": notes,
    }
    return Told(place, (str(one.get("traceId") or one["id"]),), one["id"], slots, fields)


def _asked(held: Any) -> dict[str, Any]:
    """Return what an input says: messages, a body with messages and tools, or a text. What it is not is not said."""
    if isinstance(held, Mapping):
        if role_of(held) is not None:
            return conversation([held], without=None)
        for key in _MESSAGES:
            found = held.get(key)
            if isinstance(found, list) and found and all(role_of(item) is not None or isinstance(item, Mapping) for item in found):
                slots = conversation(found, without=None)
                if slots["prompt"] is None:
                    slots["prompt"] = next((held[name] for name in ("system", "instructions", "systemInstruction") if held.get(name)), None)
                return slots | ({"tools": held["tools"]} if isinstance(held.get("tools"), list) else {})
    if isinstance(held, list) and held and all(isinstance(item, Mapping) and (role_of(item) or item.get("type")) for item in held):
        return conversation(held, without=None)
    return {} if held is None else {"prompt": lift(held)}


def _answered(held: Any) -> Any:
    """Return an output as messages where it is one, else as it is."""
    if isinstance(held, Mapping):
        choices = held.get("choices")
        if (
            isinstance(choices, list)
            and choices
            and all(isinstance(one, Mapping) and isinstance(one.get("message"), Mapping) for one in choices)
        ):
            return [one["message"] for one in choices]
        if isinstance(held.get("message"), Mapping):
            return [held["message"]]
        if isinstance(held.get("output"), list) and "id" in held:
            return held["output"]
        return [held] if role_of(held) is not None else held
    return held


def _tools(held: Any) -> list[Any]:
    if isinstance(held, Mapping):
        return [{"name": name, **(definition if isinstance(definition := unpacked(text), dict) else {})} for name, text in held.items()]
    return held if isinstance(held, list) else []


def _names(one: Mapping[str, Any], observations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of what encloses an observation, the outermost first."""
    names: list[str] = []
    at = observations.get(str(one.get("parentObservationId")))
    while at is not None and len(names) < 64:
        names.append(str(at.get("name") or at.get("id")).replace("/", "_"))
        at = observations.get(str(at.get("parentObservationId")))
    return names[::-1]


def _time(one: Mapping[str, Any], key: str) -> int | None:
    return None if one.get(key) is None else microseconds(key, one[key])
