"""Filters: which executions of a log are wanted.

`Filter` says what; `Matcher` answers for one execution and remembers what many share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, NotFound
from runstore.model.elements import count
from runstore.model.executions import STATUSES, Execution
from runstore.model.ids import Kind, Link
from runstore.model.trees import SlotState, decode_tree_trusted
from runstore.query.paths import OWN_FIELDS, Fetch, follow, parse_path
from runstore.query.summary import Summaries

_NOTHING = object()
_REMEMBERED = 50_000
_TREES = 1000


class Where(NamedTuple):
    """A condition on a part of an execution or of its run: `path` (of query.paths), and the value that must stand there.

    None as a slot's value means unknown, False absent. `text` is the value as it was written: it fits a string of that text too.
    """

    path: tuple[str, ...]
    value: Any
    text: str | None = None


class Filter(NamedTuple):
    """What a log is asked for; what is None asks nothing.

    `since` <= started < `until` in microseconds since 1970 UTC (an execution without a time fits neither). `model`: the name asked
    for or the version served, `*` standing for any text. `run` is a run's id or a request id. `changed`: a slot (or a path into
    one) that differs from the execution before it, along first parents; the first execution of a log differs from nothing. With
    `against`, an execution or a run, `changed` compares with that one instead.
    `limit` is the greatest number of entries.
    """

    since: int | None = None
    until: int | None = None
    model: str | None = None
    status: str | None = None
    run: bytes | None = None
    session: str | None = None
    scope: str | None = None
    where: tuple[Where, ...] = ()
    changed: str | None = None
    against: Link | None = None
    limit: int | None = None


def parse_where(text: str) -> Where:
    """Read `slot.path=value`; the right side is JSON if it parses, else a string. Raises InvalidInput."""
    path, equals, value = text.partition("=")
    if not equals:
        hint = "write slot.path=value, for example parameters.temperature=0"
        raise InvalidInput(f"{text[:80]!r} is no condition", hint=hint, kind="bad-where")
    from runstore.model.jsontext import parse_json

    try:
        return Where(parse_path(path), parse_json(value), value)
    except InvalidInput as error:
        if error.kind == "bad-path":
            raise
        return Where(parse_path(path), value, value)


class Matcher:
    """Says of executions whether a filter wants them. Bound to a snapshot by its `fetch`."""

    def __init__(self, wanted: Filter, fetch: Fetch, load: Callable[[Link], Execution]) -> None:
        """`load` gives an execution by its link: the log has most of them at hand. Raises InvalidInput for an unknown status."""
        self._wanted = wanted
        self._fetch = fetch
        self._load = load
        self._summaries = Summaries(fetch)
        self._parts: dict[tuple[bytes, tuple[str, ...]], Any] = {}
        self._trees: dict[bytes, dict[str, Link | SlotState]] = {}
        self._changed = parse_path(wanted.changed) if wanted.changed else None
        if wanted.against is not None and self._changed is None:
            hint = "for example --changed prompt --against REV"
            raise InvalidInput("`against` says what a slot is compared with, and `changed` names no slot", hint=hint, kind="bad-filter")
        self._model = _pattern(wanted.model) if wanted.model else None
        if wanted.status is not None and wanted.status not in STATUSES:
            raise InvalidInput(f"{wanted.status[:40]!r} is no status", hint=f"a status is one of {', '.join(STATUSES)}", kind="bad-status")
        self._tests: list[Callable[[Execution], bool]] = list(self._chosen())

    def fits(self, execution: Execution) -> bool:
        """True if the filter wants this execution."""
        return all(test(execution) for test in self._tests)

    def _chosen(self) -> Iterable[Callable[[Execution], bool]]:
        wanted = self._wanted
        if wanted.since is not None or wanted.until is not None:
            yield self._in_time
        if wanted.status is not None:
            yield lambda execution: execution.status == wanted.status
        if wanted.session is not None:
            yield lambda execution: (execution.notes or {}).get("session") == wanted.session
        if wanted.scope is not None:
            yield lambda execution: (execution.notes or {}).get("scope") == wanted.scope
        if wanted.run is not None:
            yield self._of_run
        if self._model is not None:
            yield self._of_model
        for condition in wanted.where:
            yield lambda execution, condition=condition: self._stands(execution, condition)  # type: ignore[misc]
        if self._changed is not None:
            yield self._differs

    def _in_time(self, execution: Execution) -> bool:
        since, until, started = self._wanted.since, self._wanted.until, execution.started
        return started is not None and (since is None or started >= since) and (until is None or started < until)

    def _of_run(self, execution: Execution) -> bool:
        if execution.run is None:
            return False
        if execution.run.id == self._wanted.run:
            return True
        from runstore.model.slots import request_id

        return request_id(self._slots(execution.run)) == self._wanted.run

    def _of_model(self, execution: Execution) -> bool:
        if execution.run is None or self._model is None:
            return False
        asked, served = self._summaries.model(self._slots(execution.run))
        return self._model(asked) or (served is not None and self._model(served))

    def _stands(self, execution: Execution, condition: Where) -> bool:
        found = self._part(execution, condition.path)
        if isinstance(found, SlotState):
            return condition.value is (None if found is SlotState.UNKNOWN else False)
        if isinstance(found, Link):
            found = self._content(found, condition.value)
        return found is not _NOTHING and (same(found, condition.value) or (isinstance(found, str) and found == condition.text))

    def _differs(self, execution: Execution) -> bool:
        if execution.run is None or self._changed is None:
            return False
        against = self._wanted.against
        if against is not None:
            fixed = self._load(against) if against.kind == Kind.EXECUTION else Execution(run=against, parents=())
            return not same(self._part(execution, self._changed), self._part(fixed, self._changed))
        before = execution
        while before.parents:
            before = self._load(before.parents[0])
            if before.run is not None:  # a merge has no slots: what it joined is compared
                return not same(self._part(execution, self._changed), self._part(before, self._changed))
        return False

    def _slots(self, run: Link) -> dict[str, Link | SlotState]:
        found = self._trees.get(run.id)
        if found is None:
            if len(self._trees) >= _TREES:
                self._trees.clear()
            found = self._trees[run.id] = decode_tree_trusted(self._fetch(run.id).body)
        return found

    def _part(self, execution: Execution, path: tuple[str, ...]) -> Any:
        """Return what stands at a path: a link where it is a whole object, a slot's state, a value, or _NOTHING."""
        first = path[0]
        if first in OWN_FIELDS or first == "extra_fields":
            start: Any = getattr(execution, "extra" if first == "extra_fields" else first)
            if start is None:
                return _NOTHING
            rest = path[1:]
        else:
            if execution.run is None:
                return _NOTHING
            slots = self._slots(execution.run)
            used = next((used for used in range(len(path), 0, -1) if ".".join(path[:used]) in slots), 0)
            if not used:
                return _NOTHING
            start, rest = slots[".".join(path[:used])], path[used:]
        return start if isinstance(start, SlotState) and not rest else self._inside(start, rest)

    def _inside(self, start: Any, rest: tuple[str, ...]) -> Any:
        if not isinstance(start, Link):
            return _down(start, rest)
        return self._remembered(start, rest) if rest else start

    def _content(self, link: Link, wanted: Any) -> Any:
        """Return what a link holds, to be compared with a value. Elements of a list are read only if their number is right."""
        if link.kind == Kind.LIST:
            if not isinstance(wanted, list) or count(link, self._fetch) != len(wanted):
                return _NOTHING
            return list(follow(link, (), self._fetch).value)
        return str(link) if link.kind in (Kind.TREE, Kind.EXECUTION) else self._remembered(link, ())

    def _remembered(self, start: Link, rest: tuple[str, ...]) -> Any:
        key = (start.id, rest)
        if key not in self._parts:
            if len(self._parts) >= _REMEMBERED:
                self._parts.clear()
            try:
                place = follow(start, rest, self._fetch)
                self._parts[key] = place.link if place.link.kind == Kind.LIST and not place.rest else place.value
            except NotFound:
                self._parts[key] = _NOTHING
        return self._parts[key]


def same(left: Any, right: Any) -> bool:
    """True if two decoded values are the same data: 1 and 1.0 are, true and 1 are not."""
    pairs = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, bool) or isinstance(right, bool):
            if left is not right:
                return False
        elif isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            pairs.extend((left[key], right[key]) for key in left)
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif left != right:
            return False
    return True


def _down(value: Any, steps: tuple[str, ...]) -> Any:
    from runstore.query.paths import step_into

    try:
        for step in steps:
            value = step_into(value, step)
    except NotFound:
        return _NOTHING
    return value


def _pattern(text: str) -> Callable[[str], bool]:
    if "*" not in text:
        return lambda name: name == text
    import re

    found = re.compile(".*".join(map(re.escape, text.split("*"))) + r"\Z", re.DOTALL)
    return lambda name: found.match(name) is not None
