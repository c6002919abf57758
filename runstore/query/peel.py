"""Peeling: from what a revision named to the execution, run, request or parent behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.errors import Ambiguous, NotFound
from runstore.model.executions import Execution
from runstore.model.ids import Kind, Link
from runstore.model.slots import is_run, request_id
from runstore.model.trees import decode_tree_trusted
from runstore.query.near import brief
from runstore.runs.lookup import executions_of, load_execution, runs_of_request

if TYPE_CHECKING:
    from runstore.store.protocol import Reader


def to_target(reader: Reader, link: Link) -> Link:
    """Return what a tag leads to, through tags of tags; any other link as it is."""
    while link.kind == Kind.TAG:  # ends: a tag cannot lead to itself, since its id is the hash of what it says
        from runstore.model.tags import decode_tag

        link = decode_tag(reader.get(link.id).body).target
    return link


def to_execution(reader: Reader, link: Link) -> Link:
    """Return the execution that a link names: itself, a tag's, or a run's only one. Raises NotFound or Ambiguous."""
    link = to_target(reader, link)
    if link.kind == Kind.EXECUTION:
        return link
    if link.kind != Kind.TREE:
        raise NotFound(
            f"{brief(link)} is a {link.kind.label}, and an execution is wanted here", hint="`runstore find` says where it was used"
        )
    found = [obj for run in runs_named(reader, link) for obj in executions_of(reader, run.id)]
    if not found:
        raise NotFound(f"no execution of {brief(link)} is recorded here")
    if len(found) > 1:
        from runstore.query.summary import first_line

        raise Ambiguous(
            f"{brief(link)} was executed {len(found)} times, and one execution is wanted here",
            candidates=[(str(obj.link), first_line(obj, reader.get)) for obj in found[:20]],
            hint="name one of its executions",
        )
    return found[0].link


def to_run(reader: Reader, link: Link) -> Link:
    """Return the run that a link names: itself, an execution's, a tag's, or the only run of a request. Raises NotFound or Ambiguous."""
    link = to_target(reader, link)
    if link.kind == Kind.EXECUTION:
        execution = load_execution(reader, link.id)
        if execution.run is None:
            raise NotFound(f"{brief(link)} is a merge, and has no run", hint="name one of its parents with ^1 or ^2")
        return execution.run
    if link.kind != Kind.TREE:
        raise NotFound(f"{brief(link)} is a {link.kind.label}, and a run is wanted here", hint="`runstore find` says where it was used")
    runs = runs_named(reader, link)
    if not runs:
        raise NotFound(f"{brief(link)} is no run", hint="a run is a tree with all seven core slots")
    if len(runs) > 1:
        raise Ambiguous(
            f"the request {link.hex[:12]} was answered as {len(runs)} runs, and one run is wanted here",
            candidates=[(str(run), _runtime_line(reader, run)) for run in runs[:20]],
            hint="name one of them",
        )
    return runs[0]


def to_request(reader: Reader, link: Link) -> bytes:
    """Return the request id of what a link names. The request's tree need not be stored."""
    link = to_target(reader, link)
    if link.kind == Kind.TREE and reader.address(link.id) is None:
        return link.id  # it was named by its request id
    return request_id(decode_tree_trusted(reader.get(to_run(reader, link).id).body))


def runs_named(reader: Reader, link: Link) -> list[Link]:
    """Return the runs that a link to a tree names: the stored run itself, or the runs that share the request id it is."""
    if reader.address(link.id) is not None:
        return [link] if is_run(decode_tree_trusted(reader.get(link.id).body)) else []
    return [run.link for run in runs_of_request(reader, link.id)]


def _runtime_line(reader: Reader, run: Link) -> str:
    """Return what tells the runs of one request apart."""
    from runstore.query.summary import first_line

    runtime = decode_tree_trusted(reader.get(run.id).body)["runtime"]
    return f"runtime {first_line(reader.get(runtime.id), reader.get) if isinstance(runtime, Link) else runtime.name.lower()}"


def parent(reader: Reader, link: Link, number: int) -> Link:
    """Return the n-th parent of an execution, counted from 1; 0 is the execution itself. Raises NotFound."""
    link = _with_parents(reader, link, "^")
    if number == 0:
        return link
    parents = _load(reader, link).parents
    if number > len(parents):
        said = "no parent: its log begins here" if not parents else f"{len(parents)} parent{'s' if len(parents) > 1 else ''}"
        raise NotFound(f"{brief(link)} has {said}")
    return parents[number - 1]


def ancestor(reader: Reader, link: Link, generations: int) -> Link:
    """Return the execution `generations` first parents before this one. Raises NotFound where the log begins earlier."""
    at = _with_parents(reader, link, "~")
    for done in range(generations):
        parents = _load(reader, at).parents
        if not parents:
            if not done:
                raise NotFound(f"{brief(link)} has no execution before it: its log begins here", hint="`runstore log` lists what is here")
            had = f"{done} execution{'' if done == 1 else 's'}"
            raise NotFound(
                f"{brief(link)} has only {had} before it on its first line of parents, not {generations}",
                hint="`runstore log` of it lists them",
            )
        at = parents[0]
    return at


def _with_parents(reader: Reader, link: Link, sign: str) -> Link:
    link = to_target(reader, link)
    if link.kind == Kind.TREE:
        raise NotFound(f"{brief(link)} is a run, and only an execution has parents", hint=f"write {sign} after an execution or a ref")
    return to_execution(reader, link)


def _load(reader: Reader, link: Link) -> Execution:
    return load_execution(reader, link.id)
