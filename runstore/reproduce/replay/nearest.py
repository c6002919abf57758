"""The recorded request that is nearest to one that was not recorded, and how the two differ, component by component."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from runstore.model.ids import Kind, Link, Object
from runstore.model.run import Run
from runstore.model.trees import decode_tree_trusted
from runstore.query.diff import Component, diff
from runstore.query.filters import Filter
from runstore.query.log import log
from runstore.store.protocol import Reader, Store

MOST = 500
"""So many of the newest executions are looked at: an error message need not search for long."""


class Candidate(NamedTuple):
    """An execution, and its run; None for a merge."""

    execution: Link
    run: Link | None


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


def nearest(reader: Reader, store: Store, run: Run, *, now: int) -> Nearest | None:
    """Return the newest execution whose request shares the most components with a run; None in a store without executions."""
    return nearest_of(reader, run, (Candidate(entry.link, entry.execution.run) for entry in log(store, (), Filter(limit=MOST), now=now)))


def nearest_of(reader: Reader, run: Run, candidates: Iterable[Candidate]) -> Nearest | None:
    """Return the first of the executions whose request shares the most components with a run; None where there are none."""
    best: tuple[int, Link, Link] | None = None
    seen: set[bytes] = set()
    for execution, other in candidates:
        if other is None or other.id in seen:
            continue
        seen.add(other.id)
        slots = decode_tree_trusted(reader.get(other.id).body)
        score = sum(slots.get(name) == slot for name, slot in run.slots.items() if name != "runtime")
        if best is None or score > best[0]:
            best = (score, execution, other)
    if best is None:
        return None
    found = diff(_Beside(reader, run), best[2], run.link)
    return Nearest(best[1], tuple(one for one in found.components if one.slot != "runtime"))


def told(one: Component) -> str:
    """Return a component's difference in a few words: `parameters.top_p: 1 → 0.5`, `prompt: - old line, + new line`."""
    if one.old_state != one.new_state:
        return f"{one.slot}: {one.old_state} → {one.new_state}" + (f" ({_detail(one)})" if one.keys or one.tools is not None else "")
    return _detail(one)


def _detail(one: Component) -> str:
    from runstore.query.content import as_json, one_line

    if one.keys:
        first = one.keys[0]
        more = f" and {len(one.keys) - 1} more" if len(one.keys) > 1 else ""
        sides = {"added": f"added, {as_json(first.new)}", "removed": f"removed, was {as_json(first.old)}"}
        return f"{one.slot}.{first.path}: " + one_line(sides.get(first.change, f"{as_json(first.old)} → {as_json(first.new)}"), 120) + more
    if one.tools is not None:
        named = [f"+{name}" for name in one.tools.added] + [f"-{name}" for name in one.tools.removed]
        named += [f"~{change.name}" for change in one.tools.changed] + (["another order"] if one.tools.reordered else [])
        return f"{one.slot}: {one_line(', '.join(named), 120)}"
    if one.elements is not None and one.elements.changes:
        change = one.elements.changes[0]
        at = change.new_index if change.new_index is not None else change.old_index
        if change.text is not None and change.text.hunks:
            return f"{one.slot}/{at}: {_lines(change.text)}"
        return f"{one.slot}/{at} {change.change}: {one_line(change.preview or change.label, 80)}"
    return f"{one.slot}: {_lines(one.text)}" if one.text is not None and one.text.hunks else one.slot


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

    def address(self, id: bytes) -> int | None:
        own = self._own.get(id)
        return 0 if own is not None and own.kind == Kind.TREE else self._reader.address(id)
