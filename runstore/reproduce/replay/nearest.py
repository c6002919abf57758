"""The recorded request that is nearest to one that was not recorded, and how the two differ, component by component.

What it looks at is bounded, however large the store: the newest runs, and those that refer to the components and messages of the
request, the newest of them. Among these the one with the most equal components is taken, and of several such the closest in the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import nlargest
from itertools import islice
from typing import Any, NamedTuple

from runstore.errors import NotFound
from runstore.model.executions import decode_execution_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.lists import elements
from runstore.model.run import Run
from runstore.model.trees import decode_tree_trusted
from runstore.query.diff import Component, diff
from runstore.reproduce.replay.closeness import closeness, equal
from runstore.runs.tables import REFERRERS, RUN_EXECUTIONS, WINDOW, WINDOW_SHIFT
from runstore.store.protocol import ADDRESS_BYTES, Reader

NEWEST = 300
"""So many of the newest runs are looked at."""
WINDOWS, PARTS = 6, 24
"""So many stretches of the store are searched for what refers to a part, and so many parts are looked up."""
COMPARED, WEIGHED = 32, 16
"""So many runs are compared in full: of those with the most equal components, and of those that share what few others have."""


class Candidate(NamedTuple):
    """An execution, and its run; None for a merge. `weight`: how much speaks for it, as a message does that few runs share."""

    execution: Link
    run: Link | None
    weight: float = 0.0


class Nearest(NamedTuple):
    """An execution of the nearest request, and the components in which the request differs."""

    execution: Link
    components: tuple[Component, ...]

    @property
    def lines(self) -> list[str]:
        """The components in words, one a line, the first difference first."""
        return [told(one) for one in self.components] or ["nothing that can be told"]

    @property
    def text(self) -> str:
        """The components in words."""
        return "; ".join(self.lines)


def nearest(reader: Reader, run: Run) -> Nearest | None:
    """Return an execution of the recorded request that is closest to a run, the newest of several; None in a store without executions."""
    return nearest_of(reader, run, _candidates(_Beside(reader, run), run))


def nearest_of(reader: Reader, run: Run, candidates: Iterable[Candidate]) -> Nearest | None:
    """Return the one of some executions whose request is closest to a run, the first of several; None where there are none."""
    beside = _Beside(reader, run)
    found: dict[bytes, tuple[Link, Any]] = {}
    weights: defaultdict[bytes, float] = defaultdict(float)
    for execution, other, weight in candidates:
        if other is None:
            continue
        weights[other.id] += weight
        if other.id not in found:
            with suppress(NotFound):  # a partial clone may lack the runs of the executions that it has
                found[other.id] = execution, decode_tree_trusted(reader.get(other.id).body)
    if not found:
        return None
    slots = run.slots
    best = dict.fromkeys(nlargest(COMPARED, found, key=lambda one: equal(slots, found[one][1])))
    best |= dict.fromkeys(nlargest(WEIGHED, found, key=weights.__getitem__))
    closest = max(best, key=lambda one: closeness(slots, found[one][1], beside.get))
    execution = found[closest][0]
    components = diff(beside, Link(Kind.TREE, closest), run.link).components
    return Nearest(execution, tuple(one for one in components if one.slot != "runtime"))


def _candidates(reader: _Beside, run: Run) -> Iterator[Candidate]:
    """Yield an execution of each of the newest runs, then of the runs that refer to a part of the request, the newest first."""
    last, number = b"", 0
    for row in reader.rows(RUN_EXECUTIONS.name, reverse=True):
        if row[:ADDRESS_BYTES] != last:
            last, number = row[:ADDRESS_BYTES], number + 1
            if number > NEWEST:
                break
            obj = reader.at(int.from_bytes(row[ADDRESS_BYTES:], "big"))
            yield Candidate(obj.link, decode_execution_trusted(obj.body).run)
    for part in islice(_parts(reader, run), PARTS):
        above = [tree for obj in _referring(reader, part) for tree in (_referring(reader, obj.id) if obj.kind == Kind.LIST else (obj,))]
        for tree in above:
            execution = _newest_execution(reader, tree.id) if tree.kind == Kind.TREE else None
            if execution is not None:
                yield Candidate(execution, tree.link, 1 / len(above))


def _parts(reader: _Beside, run: Run) -> Iterator[bytes]:
    """Yield what tells a request from others: the components, those of one request alone first, then its messages, the last one first."""
    for name in ("history", "extra", "documents", "prompt", "output_format", "tools", "parameters"):
        slot = run.slots.get(name)
        if isinstance(slot, Link):
            yield slot.id
    history = run.slots.get("history")
    if isinstance(history, Link) and history.kind == Kind.LIST:
        messages = list(islice(elements(history, reader.get), 1000))
        for link in (*messages[:-8:-1], *messages[:4]):
            yield link.id


def _referring(reader: _Beside, id: bytes) -> Iterator[Object]:
    """Yield what links to an object directly, the newest first, of the last stretches of the store that hold such."""
    address = reader.stored_address(id)
    if address is None:
        return
    for row in islice(reader.rows(REFERRERS.name, address.to_bytes(ADDRESS_BYTES, "big"), reverse=True), WINDOWS):
        first = int.from_bytes(row[ADDRESS_BYTES:], "big") << WINDOW_SHIFT
        for _, obj in reversed(list(reader.between(first, first + WINDOW))):
            if id in obj.body and obj.kind in (Kind.TREE, Kind.LIST):
                yield obj


def _newest_execution(reader: _Beside, run: bytes) -> Link | None:
    """Return the newest execution of a run; None for a tree that never ran."""
    address = reader.stored_address(run)
    row = None if address is None else next(reader.rows(RUN_EXECUTIONS.name, address.to_bytes(ADDRESS_BYTES, "big"), reverse=True), None)
    return None if row is None else reader.at(int.from_bytes(row[ADDRESS_BYTES:], "big")).link


def told(one: Component) -> str:
    """Return a component's difference in a few words: `parameters.top_p: 1 → 0.5`, `prompt: - old line, + new line`."""
    if one.old_state != one.new_state:
        return f"{one.slot}: {one.old_state} → {one.new_state}" + (f" ({_detail(one)})" if one.keys or one.tools is not None else "")
    return _detail(one)


def _detail(one: Component) -> str:
    from runstore.query.content import one_line

    if one.keys:
        more = f" and {len(one.keys) - 1} more" if len(one.keys) > 1 else ""
        return f"{one.slot}." + one_line(_key(one.keys[0]), 120) + more
    if one.tools is not None:
        named = [f"+{name}" for name in one.tools.added] + [f"-{name}" for name in one.tools.removed]
        named += [f"~{change.name}" for change in one.tools.changed] + (["another order"] if one.tools.reordered else [])
        return f"{one.slot}: {one_line(', '.join(named), 120)}"
    if one.elements is not None and one.elements.changes:
        change = one.elements.changes[0]
        at = change.new_index if change.new_index is not None else change.old_index
        if change.text is not None and change.text.hunks:
            return f"{one.slot}/{at}: {_lines(change.text)}"
        called = [f"{call.name} {key}" for call in (change.calls.changed if change.calls else ()) for key in map(_key, call.keys)]
        keys = called or [_key(key) for key in change.keys]
        if keys:
            return f"{one.slot}/{at}: " + one_line(", ".join(keys), 120)
        return f"{one.slot}/{at} {change.change}: {one_line(change.preview or change.label, 80)}"
    return f"{one.slot}: {_lines(one.text)}" if one.text is not None and one.text.hunks else one.slot


def _key(key: Any) -> str:
    from runstore.query.content import as_json

    sides = {"added": f"added, {as_json(key.new)}", "removed": f"removed, was {as_json(key.old)}"}
    return f"{key.path}: " + sides.get(key.change, f"{as_json(key.old)} → {as_json(key.new)}")


def _lines(text: Any) -> str:
    from runstore.query.content import one_line

    changed = [(sign, line) for sign, line in text.hunks[0].lines if sign != " "]
    return ", ".join(f"{sign} {one_line(line, 60)}" for sign, line in changed[:2])


class _Beside:
    """A reader with the objects of one run beside those of the store."""

    def __init__(self, reader: Reader, run: Run) -> None:
        self._reader = reader
        self._own: dict[bytes, Object] = {obj.id: obj for obj in run.objects()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def get(self, id: bytes) -> Object:
        return self._own.get(id) or self._reader.get(id)

    def find(self, id: bytes) -> Any:
        return (0, self._own[id]) if id in self._own else self._reader.find(id)

    def stored_address(self, id: bytes) -> int | None:
        """Return where the store has an object."""
        found: int | None = self._reader.address(id)
        return found

    def address(self, id: bytes) -> int | None:
        own = self._own.get(id)
        return 0 if own is not None and own.kind == Kind.TREE else self._reader.address(id)
