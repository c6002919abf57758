"""Gathering what `runstore show` tells about a run or an execution: from one snapshot, nothing read twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.errors import NotFound
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.slots import is_run, request_id
from runstore.model.trees import Slot, decode_tree
from runstore.query.summary import served_version
from runstore.runs.completeness import Verdict, check
from runstore.runs.lookup import executions_of, runs_of_request

if TYPE_CHECKING:
    from runstore.store.protocol import Reader


class Occurrence:
    """An execution with its link."""

    __slots__ = ("execution", "link")

    def __init__(self, link: Link, execution: Execution) -> None:
        self.link = link
        self.execution = execution


class Other:
    """A run of the same request that another runtime answered: what answered, and the run's executions."""

    __slots__ = ("executions", "run", "served")

    def __init__(self, run: Link, served: str | None, executions: list[Occurrence]) -> None:
        self.run = run
        self.served = served
        self.executions = executions


class Shown:
    """A run, one of its executions if one was named, all its executions, and the runs of the same request.

    `agree`: whether all recorded outputs, those of the other runs included, are the same object; None where fewer than two are recorded.
    """

    __slots__ = ("agree", "executions", "named", "others", "request", "run", "slots", "verdict")

    def __init__(self, run: Link, slots: dict[str, Slot], named: Occurrence | None) -> None:
        self.run = run
        self.slots = slots
        self.named = named
        self.request: bytes = b""
        self.executions: list[Occurrence] = []
        self.others: list[Other] = []
        self.agree: bool | None = None
        self.verdict: Verdict


def gather(reader: Reader, link: Link) -> Shown:
    """Return what there is to show of a run, or of an execution that is no merge. Raises NotFound if the tree is no run."""
    named = Occurrence(link, decode_execution(reader.get(link.id).body)) if link.kind == Kind.EXECUTION else None
    run = named.execution.run if named is not None else link
    if run is None:
        raise NotFound(f"{link} is a merge, and has no run")
    slots = decode_tree(reader.get(run.id).body)
    if not is_run(slots):
        raise NotFound(f"{run} is a tree, and no run")
    shown = Shown(run, slots, named)
    shown.request = request_id(slots)
    shown.executions = _executions(reader, run)
    for obj in runs_of_request(reader, shown.request):
        if obj.id != run.id:
            shown.others.append(Other(obj.link, _served(reader, decode_tree(obj.body)), _executions(reader, obj.link)))
    shown.agree = _agree([shown.executions, *(other.executions for other in shown.others)])
    shown.verdict = check(reader, run, None if named is None else named.link)
    return shown


def _executions(reader: Reader, run: Link) -> list[Occurrence]:
    return [Occurrence(obj.link, decode_execution(obj.body)) for obj in executions_of(reader, run.id)]


def _agree(executions: list[list[Occurrence]]) -> bool | None:
    outputs = [one.execution.output for some in executions for one in some if one.execution.output is not None]
    return len(set(outputs)) == 1 if len(outputs) > 1 else None


def _served(reader: Reader, slots: dict[str, Any]) -> str | None:
    from runstore.runs.view import read_content

    runtime = slots.get("runtime")
    value = read_content(runtime, reader.get) if isinstance(runtime, Link) else None
    return served_version(value) if isinstance(value, dict) else None
