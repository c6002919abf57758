"""A run or an execution as `runstore show --json` gives it: one object with everything in it, ids in full."""

from __future__ import annotations

from typing import Any

from runstore.cli import described, verdicts
from runstore.cli.contents import in_order, value_of
from runstore.cli.showing import Occurrence, gather
from runstore.model.ids import Kind, Link
from runstore.model.lists import count
from runstore.model.trees import Slot, SlotState
from runstore.query.paths import Fetch
from runstore.store.protocol import Reader


def as_json(reader: Reader, link: Link, ref: str | None) -> dict[str, Any]:
    """Return a run, or an execution with its run, as one JSON object."""
    shown = gather(reader, link)
    named = None if shown.named is None else _occurrence(shown.named, reader.get)
    return {
        "kind": link.kind.label if link.kind == Kind.EXECUTION else "run",
        "run": shown.run.hex,
        "request": shown.request.hex(),
        "ref": ref,
        "execution": named,
        "slots": {name: _slot(slot, reader.get) for name, slot in in_order(shown.slots)},
        "executions": _executions(shown.executions),
        "other_runs": [
            {"run": other.run.hex, "served": other.served, "executions": _executions(other.executions)} for other in shown.others
        ],
        "outputs_agree": shown.agree,
        "verdict": verdicts.as_json(shown.verdict),
    }


def _executions(some: list[Occurrence]) -> list[dict[str, Any]]:
    return [described.execution(one.link, one.execution) for one in some]


def _occurrence(one: Occurrence, fetch: Fetch) -> dict[str, Any]:
    told = described.execution(one.link, one.execution)
    for name in ("output", "response", "wire"):
        link = getattr(one.execution, name)
        told[name] = None if link is None else _slot(link, fetch)
    return told


def _slot(slot: Slot, fetch: Fetch) -> dict[str, Any]:
    """Return a slot: its state, and where it is present its link, what it holds, and the number of elements of a list."""
    if isinstance(slot, SlotState):
        return {"state": slot.value}
    told: dict[str, Any] = {"state": "present", "link": str(slot)}
    if slot.kind == Kind.LIST:
        told["count"] = count(slot, fetch)
    else:
        told["bytes"] = len(fetch(slot.id).body)
    return {**told, "value": value_of(slot, fetch)}
