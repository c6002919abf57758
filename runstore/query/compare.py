"""Several runs or executions side by side: which component differs where; and one log, as the executions at which components changed.

Whether two hold the same is decided by links. Only settings, tools and documents that differ are read, to name their parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from runstore.errors import InvalidInput
from runstore.model.executions import Execution
from runstore.model.ids import Link
from runstore.model.slots import SETTINGS_SLOTS, in_reading_order
from runstore.model.trees import Slot, SlotState, decode_tree_trusted
from runstore.query import peel
from runstore.query.content import as_json
from runstore.query.diff import PRESENT, UNSTATED, Side, side_of
from runstore.query.elements import name_of, titled, tools_by_name
from runstore.query.paths import Fetch, render_path
from runstore.query.textdiff import exactly_same
from runstore.runs.lookup import load_execution
from runstore.runs.view import read_content
from runstore.store.protocol import Reader

CONVERSATION = frozenset(("history", "output", "status"))
"""What differs from call to call of one conversation by its nature; all else was set up by somebody."""


class Part(NamedTuple):
    """A key, a tool or a document inside a component, with its value on each side; `groups` as in `Row`, None where a side has none."""

    name: str
    groups: tuple[int | None, ...]
    values: tuple[Any, ...]


class Row(NamedTuple):
    """A component of the things compared.

    `states` as in `diff`; `links` what each side holds. Sides with one number in `groups` hold the same; numbers count from 0 in the
    order in which they come. `parts` names what differs inside settings, tools and documents.
    """

    slot: str
    states: tuple[str, ...]
    links: tuple[Link | None, ...]
    groups: tuple[int, ...]
    parts: tuple[Part, ...] = ()

    @property
    def differs(self) -> bool:
        """True unless all sides hold the same."""
        return len({*self.groups}) > 1


class Comparison(NamedTuple):
    """The things compared, and every component that any of them states, in reading order."""

    sides: tuple[Side, ...]
    rows: tuple[Row, ...]

    @property
    def equal(self) -> bool:
        """True if no component differs."""
        return not any(row.differs for row in self.rows)


class Changed(NamedTuple):
    """An execution in a log at which something other than the conversation changed, against the execution before it.

    `slots` names the components; of settings, the keys (`parameters.temperature`).
    """

    link: Link
    execution: Execution
    before: Link
    slots: tuple[str, ...]


def compare(reader: Reader, links: Sequence[Link]) -> Comparison:
    """Compare two or more things that revisions named. Outputs and statuses are compared if all are executions.

    Raises InvalidInput for fewer than two, NotFound or Ambiguous for what names no run.
    """
    if len(links) < 2:
        raise InvalidInput("one thing cannot be compared", hint="name two or more", kind="bad-query")
    sides = tuple(side_of(reader, link) for link in links)
    slots = [decode_tree_trusted(reader.get(side.run.id).body) for side in sides]
    names = in_reading_order(name for each in slots for name in each)
    rows = [_row(name, [each.get(name) for each in slots], reader.get) for name in names]
    executions = [load_execution(reader, side.execution.id) for side in sides if side.execution is not None]
    if len(executions) == len(sides):
        rows.append(_row("output", [one.output for one in executions], reader.get))
        rows.append(_plain("status", [one.status for one in executions]))
    return Comparison(sides, tuple(rows))


def changes_along(reader: Reader, link: Link) -> Iterator[Changed]:
    """Yield the executions of a log, newest first along first parents, at which something other than the conversation changed."""
    at: Link | None = peel.to_execution(reader, link)
    later: tuple[Link, Execution] | None = None
    while at is not None:
        execution = load_execution(reader, at.id)
        if execution.run is not None:  # a merge has no slots: what it joined is compared
            if later is not None and (slots := _changed_slots(reader, execution, later[1])):
                yield Changed(*later, at, slots)
            later = (at, execution)
        at = execution.parents[0] if execution.parents else None


def _changed_slots(reader: Reader, before: Execution, after: Execution) -> tuple[str, ...]:
    if before.run == after.run or before.run is None or after.run is None:
        return ()
    old, new = (decode_tree_trusted(reader.get(run.id).body) for run in (before.run, after.run))
    found: list[str] = []
    for name in in_reading_order((*old, *new)):
        if name not in CONVERSATION and old.get(name) != new.get(name):
            parts = _row(name, [old.get(name), new.get(name)], reader.get).parts if name in SETTINGS_SLOTS else ()
            found.extend([f"{name}.{part.name}" for part in parts] or [name])
    return tuple(found)


def _row(name: str, slots: list[Slot | None], fetch: Fetch) -> Row:
    states = tuple(UNSTATED if slot is None else slot.value if isinstance(slot, SlotState) else PRESENT for slot in slots)
    links = tuple(slot if isinstance(slot, Link) else None for slot in slots)
    row = Row(name, states, links, _groups(slots))
    return row._replace(parts=tuple(_parts(name, links, fetch))) if row.differs else row


def _plain(name: str, values: list[Any]) -> Row:
    states = tuple(UNSTATED if value is None else PRESENT for value in values)
    groups = _groups(values)
    parts = (Part("", groups, tuple(values)),) if len({*groups}) > 1 else ()
    return Row(name, states, (None,) * len(values), groups, parts)


def _groups(values: Sequence[Any]) -> tuple[int, ...]:
    seen: dict[Any, int] = {}
    return tuple(seen.setdefault(value, len(seen)) for value in values)


def _parts(name: str, links: Sequence[Link | None], fetch: Fetch) -> Iterator[Part]:
    if name in SETTINGS_SLOTS:
        sides = [dict(_leaves(read_content(link, fetch))) if link is not None else {} for link in links]
    elif name == "tools":
        sides = [{name_of(*key): tool for key, tool in tools_by_name(link, fetch).items()} for link in links]
    elif name == "documents":
        sides = [{name_of(*key): document for key, document in titled(link, fetch).items()} for link in links]
    else:
        return
    for key in dict.fromkeys(key for side in sides for key in side):
        values = [side.get(key, _NOTHING) for side in sides]
        groups = _value_groups(values)
        if len({*groups}) > 1:
            yield Part(key, groups, tuple(None if value is _NOTHING else value for value in values))


_NOTHING: Any = object()


def _value_groups(values: Sequence[Any]) -> tuple[int | None, ...]:
    seen: list[Any] = []
    found: list[int | None] = []
    for value in values:
        if value is _NOTHING:
            found.append(None)
            continue
        at = next((number for number, other in enumerate(seen) if exactly_same(other, value)), len(seen))
        if at == len(seen):
            seen.append(value)
        found.append(at)
    return tuple(found)


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the scalars and lists of nested maps under their paths."""
    stack: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while stack:
        path, at = stack.pop()
        if isinstance(at, dict) and at:
            stack.extend(((*path, key), at[key]) for key in reversed(at))
        elif path or not isinstance(at, dict):
            yield render_path(path), at


def first_difference(old: Any, new: Any) -> str | None:
    """Return in words where two outputs begin to differ: the message, and the text around the first character; None if they do not."""
    from runstore.query.content import text_of

    before, after = (value if isinstance(value, list) else [value] for value in (old, new))
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        if not exactly_same(one, other):
            left, right = text_of(one), text_of(other)
            at = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
            if left == right:
                left, right, at = as_json(one), as_json(other), 0
            return f"message {number}, character {at}: {_around(left, at)} → {_around(right, at)}"
    return None if len(before) == len(after) else f"{len(before)} → {len(after)} messages"


def _around(text: str, at: int, width: int = 24) -> str:
    start = max(at - 8, 0)
    piece = " ".join(text[start : start + width].split())
    return f"“{'…' if start else ''}{piece}{'…' if start + width < len(text) else ''}”"
