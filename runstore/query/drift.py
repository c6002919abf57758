"""Drift: requests that more than one runtime has answered, since when, and whether the answers changed with it.

Goes along the index of requests, in which the runs of one request stand together, and so holds one request at a time, however large the
store. Only runtimes that somebody recorded count: where it is unknown what answered, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from runstore.model.executions import decode_execution
from runstore.model.ids import Id, Link, Object
from runstore.model.slots import request_id
from runstore.model.trees import decode_tree_trusted
from runstore.query.log import Entry
from runstore.query.textdiff import KeyChange, diff_keys
from runstore.runs.lookup import executions_of, runs_of_request
from runstore.runs.tables import PREFIX_BYTES, REQUEST_RUNS
from runstore.runs.view import read_content
from runstore.store.protocol import Reader, Store

SAME, CHANGED, PARTLY, UNKNOWN = "same", "changed", "partly", "unknown"


class Served(NamedTuple):
    """A runtime that answered a request: its run, when it did first and last, how often, and how many different complete answers it gave.

    Times are microseconds since 1970 UTC, None where no execution states one.
    """

    runtime: Any
    run: Link
    first: int | None
    last: int | None
    executions: int
    answers: int


class Drift(NamedTuple):
    """A request that several runtimes answered, in the order in which they first did; `since` is when the newest of them began.

    `changes` are the keys in which the newest differs from the one before. `answers` compares its complete answers with all from before,
    byte for byte: SAME if they are the same ones, CHANGED if none was given before, PARTLY if some were, UNKNOWN if a side has none.
    `newest` is the last execution of the newest runtime.
    """

    request: Id
    served: tuple[Served, ...]
    changes: tuple[KeyChange, ...]
    since: int | None
    answers: str
    newest: Link


class _Answers(NamedTuple):
    """A runtime's part of a request while it is counted."""

    served: Served
    outputs: set[Link]
    newest: Link


def drifts(reader: Reader) -> Iterator[Drift]:
    """Yield every request of a store that more than one runtime has answered, in the order of the index."""
    for prefix in _repeated(reader):
        yield from _drifts_at(reader, prefix)


def drifts_along(store: Store, entries: Iterable[Entry]) -> Iterator[Drift]:
    """Yield the requests in a log that more than one runtime has answered, be it elsewhere in the store; each once, newest first."""
    told: set[bytes] = set()
    last: Link | None = None
    for entry in entries:
        run = entry.execution.run
        if run is None or run == last:
            continue
        last = run
        with store.read() as reader:
            request = request_id(decode_tree_trusted(reader.get(run.id).body))
            if request not in told and (found := drift_of(reader, request)) is not None:
                told.add(request)
                yield found


def drift_of(reader: Reader, request: bytes) -> Drift | None:
    """Return the drift of one request; None if at most one runtime is known to have answered it."""
    if len(list(reader.rows(REQUEST_RUNS.name, request[:PREFIX_BYTES]))) < 2:
        return None
    return _drift(reader, request, [tree for tree in runs_of_request(reader, request) if tree.id != request])


def _repeated(reader: Reader) -> Iterator[bytes]:
    """Yield the beginnings of request ids under which several runs stand."""
    before = told = b""
    for row in reader.rows(REQUEST_RUNS.name):
        prefix = row[:PREFIX_BYTES]
        if prefix == before and prefix != told:
            told = prefix
            yield prefix
        before = prefix


def _drifts_at(reader: Reader, prefix: bytes) -> Iterator[Drift]:
    """Yield the drifts of the requests whose ids begin so: one, but for two that share eight bytes."""
    trees: dict[bytes, list[Object]] = {}
    for row in reader.rows(REQUEST_RUNS.name, prefix):
        tree = reader.at(int.from_bytes(row[PREFIX_BYTES:], "big"))
        trees.setdefault(request_id(decode_tree_trusted(tree.body)), []).append(tree)
    for request, runs in trees.items():
        found = _drift(reader, request, runs)
        if found is not None:
            yield found


def _drift(reader: Reader, request: bytes, runs: list[Object]) -> Drift | None:
    counted = [found for run in runs if (found := _counted(reader, run)) is not None]
    if len(counted) < 2:
        return None
    counted.sort(key=lambda one: (one.served.first is not None, one.served.first))
    before, newest = counted[-2], counted[-1]
    old = set().union(*(one.outputs for one in counted[:-1]))
    return Drift(
        Id(request),
        tuple(one.served for one in counted),
        diff_keys(before.served.runtime, newest.served.runtime),
        newest.served.first,
        _compared(old, newest.outputs),
        newest.newest,
    )


def _counted(reader: Reader, run: Object) -> _Answers | None:
    """Return what a run's runtime did; None if it was never executed, or if nothing answered."""
    slot = decode_tree_trusted(run.body)["runtime"]
    if not isinstance(slot, Link):
        return None
    times: list[int] = []
    outputs: set[Link] = set()
    number, newest = 0, None
    for obj in executions_of(reader, run.id):
        execution = decode_execution(obj.body)
        if execution.output is None:  # it failed, or is a verdict on an answer
            continue
        number, newest = number + 1, obj.link
        if execution.status == "ok":
            outputs.add(execution.output)
        if execution.started is not None:
            times = [min(times[0], execution.started), max(times[1], execution.started)] if times else [execution.started] * 2
    if newest is None:
        return None
    first, last = times or (None, None)
    return _Answers(Served(read_content(slot, reader.get), run.link, first, last, number, len(outputs)), outputs, newest)


def _compared(old: set[Link], new: set[Link]) -> str:
    if not old or not new:
        return UNKNOWN
    return SAME if old == new else PARTLY if old & new else CHANGED
