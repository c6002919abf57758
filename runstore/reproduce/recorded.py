"""What was recorded of one call: its run, an execution of it, and the envelope in which its request lay on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs.tool_call import TOOL
from runstore.errors import Incomplete, NotFound
from runstore.model.executions import decode_execution
from runstore.model.ids import Kind, Link, Object
from runstore.model.trees import SlotState
from runstore.query import peel
from runstore.query.near import brief
from runstore.repo import Repo
from runstore.runs.lookup import executions_of
from runstore.runs.view import ExecutionView, ListView, RunView, read_content
from runstore.store.protocol import Reader

Fetch = Callable[[bytes], Object]


class Recorded(NamedTuple):
    """A run with the execution to start from: the one named, else the newest that states an envelope, else the newest.

    `wire` is the envelope, None where nobody recorded one: the run was added by hand, or imported from a source without requests.
    """

    run: RunView
    execution: ExecutionView | None
    wire: dict[str, Any] | None

    @property
    def name(self) -> str:
        """The beginning of the run's id, for messages."""
        return brief(self.run.link)


def recorded(repo: Repo, revision: str) -> Recorded:
    """Return what a revision names. Raises NotFound, Ambiguous or InvalidInput."""
    with repo.read() as reader:
        link = peel.to_target(reader, repo.resolve(revision).link)
        if link.kind == Kind.TREE:
            runs = peel.runs_named(reader, link) or [peel.to_run(reader, link)]
            executions = [obj for run in runs for obj in executions_of(reader, run.id)]
        else:
            executions = [reader.get(peel.to_execution(reader, link).id)]
            runs = [peel.to_run(reader, link)]
        return _chosen(reader, runs[-1], executions, repo.fetch)


def from_execution(execution: ExecutionView, fetch: Fetch) -> Recorded:
    """Return what an execution says. Raises NotFound for a merge."""
    if execution.run is None:
        raise NotFound(f"{brief(execution.link)} is a merge, and has no run", hint="name one of its parents with ^1 or ^2")
    wire = execution.fields.wire
    value = None if wire is None else read_content(wire, fetch)
    return Recorded(execution.run, execution, value if isinstance(value, dict) else None)


def view_of(repo: Repo, link: Link) -> ExecutionView:
    """Return an execution by its link. Raises NotFound if it is not here."""
    obj = repo.fetch(link.id)
    return ExecutionView(obj, decode_execution(obj.body), repo.fetch)


def slots_of(run: RunView, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the slots of a run as plain values, as codecs take them; what is absent or unknown as its state."""
    return {name: _plain(run[name]) for name in (run.slots if names is None else names)}


def sent_slots(slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return the slots that a request is made of: all but what answered and what surrounded it."""
    return {name: slot for name, slot in slots.items() if name not in ("runtime", "environment")}


def blobs(fetch: Fetch) -> Callable[[Link], bytes]:
    """Return how codecs read the bytes that links in values lead to."""
    return lambda link: fetch(link.id).body


def _chosen(reader: Reader, run: Link, executions: list[Object], fetch: Fetch) -> Recorded:
    views = [ExecutionView(obj, decode_execution(obj.body), fetch) for obj in executions]
    found = next((view for view in reversed(views) if view.fields.wire is not None), views[-1] if views else None)
    if found is None:
        return Recorded(RunView(reader.get(run.id), fetch), None, None)
    return from_execution(found, fetch)


def _plain(value: Any) -> Any:
    return value if isinstance(value, SlotState) else list(value) if isinstance(value, ListView) else value


def no_envelope(found: Recorded) -> Incomplete:
    """Return the error for a run whose request nobody recorded, or that has none."""
    model = found.run["model"]
    if isinstance(model, dict) and model.get("api") == TOOL.name:
        fact = f"{found.name} is a call of the tool {model.get('name')}, which has no request that could be sent"
        return Incomplete(fact, hint="`runstore replay` answers it from the record, and the program calls it", kind="no-wire")
    return Incomplete(
        f"how the request of {found.name} lay on the wire is not recorded",
        hint="calls that runstore captures or imports with their requests can be sent again",
        kind="no-wire",
    )
