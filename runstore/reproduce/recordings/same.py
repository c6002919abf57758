"""Whether two recordings of one test say the same: equal but for the ids that a provider makes up, and for times.

A provider gives every answer and every tool call another id, and a program sends the ids of tool calls back. Recordings that differ in
nothing else replay alike, so the one that stands is kept, and its file with it. Ids count as such where an answer makes them, never where
a program or a model writes them: those are content. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runstore.model.ids import Link, Object
from runstore.model.trees import SlotState
from runstore.reproduce.recordings.kept import Kept
from runstore.runs.view import ListView, RunView, read_content

_IDS = frozenset(("id", "call_id", "item_id", "responseId", "toolUseId", "generation_id", "response_id"))
_TIMES = frozenset((
    "created", "created_at", "completed_at", "createTime", "latencyMs",
    "total_duration", "load_duration", "prompt_eval_duration", "eval_duration",
))  # fmt: skip
_WRITTEN = frozenset(("input", "args", "arguments", "parameters"))
"""Below these keys stands what a model wrote to a tool."""


def same(one: Sequence[Kept], other: Sequence[Kept]) -> bool:
    """True if two recordings say the same."""
    return len(one) == len(other) and _plain(map(_call, one)) == _plain(map(_call, other))


def same_answer(one: Kept, other: Kept) -> bool:
    """True if two calls have the same answer, whatever was asked."""
    return _plain([{"answer": answer(one)}]) == _plain([{"answer": answer(other)}])


def answer(call: Kept) -> Any:
    """Return the output of a call as a value."""
    return _content(call.fields.output, {obj.id: obj for obj in call.objects})


def _call(call: Kept) -> dict[str, Any]:
    objects = {obj.id: obj for obj in call.objects}
    fields = call.fields
    assert fields.run is not None
    run = RunView(objects[fields.run.id], objects.__getitem__)
    response, wire = _content(fields.response, objects), _content(fields.wire, objects)
    wire = {key: item for key, item in wire.items() if key != "url"} if isinstance(wire, dict) else wire  # a port of the loopback
    return {
        "request": {name: slot if isinstance(slot, SlotState) else _content(slot, objects) for name, slot in run.slots.items()},
        "answer": {"output": _content(fields.output, objects), "response": without_times(response), "usage": without_times(fields.usage)},
        "status": fields.status,
        "wire": wire,
        "scope": (fields.notes or {}).get("scope"),
    }


def _content(link: Link | None, objects: Mapping[bytes, Object]) -> Any:
    found = None if link is None else read_content(link, objects.__getitem__)
    return list(found) if isinstance(found, ListView) else found


def without_times(value: Any) -> Any:
    """Return what a provider said without when it said it, and how long it took."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in _TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def _plain(calls: Iterable[dict[str, Any]]) -> str:
    """Return calls as a text that is equal for those that are: each id that an answer makes is its number, wherever it stands."""
    calls = list(calls)
    names: dict[str, tuple[str, int]] = {}
    for call in calls:
        for made in ids_made(call["answer"]):
            names.setdefault(made, ("id", len(names)))
    return repr([replaced(call, names) for call in calls])  # the order of keys counts, and 1 is not 1.0


def ids_made(value: Any) -> Iterator[str]:
    """Yield the ids that an answer makes: its own, and those of its parts and tool calls."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _IDS and isinstance(item, str) and item:
                yield item
            elif key not in _WRITTEN:
                yield from ids_made(item)
    elif isinstance(value, list):
        for item in value:
            yield from ids_made(item)


def replaced(value: Any, names: Mapping[str, Any]) -> Any:
    """Return a value with each text that has another name in `names` in its place."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: replaced(item, names) for key, item in value.items()}
    return [replaced(item, names) for item in value] if isinstance(value, list) else value
