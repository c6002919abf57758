"""Differences of two runs, or of two executions with their outputs, component by component.

Whether a component differs is decided by links: where they are equal, nothing is read. What differs is shown by its kind: texts by
lines, settings by keys, tools by name, messages from the first that differs and their tool calls by name, documents by content.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from runstore.model.executions import Execution
from runstore.model.ids import Kind, Link
from runstore.model.slots import LIST_SLOTS, SETTINGS_SLOTS, in_reading_order
from runstore.model.trees import Slot, SlotState, decode_tree_trusted
from runstore.query import peel
from runstore.query.calls import CallChange, CallsDiff
from runstore.query.content import as_json, decoded, readable
from runstore.query.elements import ElementChange, ElementsDiff, ToolChange, ToolsDiff, diff_documents, diff_messages, diff_tools
from runstore.query.paths import Fetch
from runstore.query.textdiff import Hunk, KeyChange, TextDiff, diff_keys, diff_text, unified
from runstore.runs.lookup import load_execution
from runstore.runs.view import read_content
from runstore.store.protocol import Reader

__all__ = [
    "CallChange", "CallsDiff", "Component", "Diff", "ElementChange", "ElementsDiff", "Hunk", "KeyChange", "Side", "Stat", "TextDiff",
    "ToolChange", "ToolsDiff", "diff", "unified",
]  # fmt: skip

UNSTATED = "unstated"
PRESENT = "present"


class Side(NamedTuple):
    """One of the two things compared: what was named, its run, and the execution if one was named."""

    link: Link
    run: Link
    execution: Link | None


class Component(NamedTuple):
    """A slot, the output or the status, that differs.

    States are `present`, `absent`, `unknown`, or `unstated` where a run has no such slot. Of the four details one is filled, by what
    the slot holds: `text`, `keys`, `tools` or `elements`; a side that is not present counts as empty there. Bytes that are no text,
    and things of different kinds, have none.
    """

    slot: str
    old_state: str
    new_state: str
    old: Link | None
    new: Link | None
    text: TextDiff | None = None
    keys: tuple[KeyChange, ...] = ()
    tools: ToolsDiff | None = None
    elements: ElementsDiff | None = None


class Stat(NamedTuple):
    """How much of a component differs, counted in `unit`: lines, keys, tools, messages, documents, elements, or bytes."""

    slot: str
    unit: str
    added: int
    removed: int
    changed: int


class Diff(NamedTuple):
    """How `b` differs from `a`: only the components that do, in reading order."""

    a: Side
    b: Side
    components: tuple[Component, ...]

    @property
    def equal(self) -> bool:
        """True if no component differs."""
        return not self.components

    def stat(self) -> list[Stat]:
        """Return how much differs, component by component."""
        return [_stat(component) for component in self.components]


def diff(reader: Reader, a: Link, b: Link) -> Diff:
    """Compare two things that revisions named: executions, runs, or tags of them.

    Outputs and statuses are compared where both are executions. Raises NotFound or Ambiguous for what names no run.
    """
    one, other = side_of(reader, a), side_of(reader, b)
    components = _slots(reader, one.run, other.run)
    if one.execution is not None and other.execution is not None:
        before, after = (load_execution(reader, link.id) for link in (one.execution, other.execution))
        components.extend(_outcome(before, after, reader.get))
    return Diff(one, other, tuple(components))


def side_of(reader: Reader, link: Link) -> Side:
    """Return the side that a link stands for. Raises NotFound or Ambiguous for what names no run."""
    link = peel.to_target(reader, link)
    return Side(link, peel.to_run(reader, link), link if link.kind == Kind.EXECUTION else None)


def _slots(reader: Reader, old: Link, new: Link) -> list[Component]:
    if old == new:
        return []
    before, after = (decode_tree_trusted(reader.get(run.id).body) for run in (old, new))
    names = in_reading_order((*before, *after))
    return [_component(name, before.get(name), after.get(name), reader.get) for name in names if before.get(name) != after.get(name)]


def _outcome(old: Execution, new: Execution, fetch: Fetch) -> list[Component]:
    found = []
    if old.output != new.output:
        found.append(_component("output", old.output, new.output, fetch))
    if old.status != new.status:
        states = [PRESENT if status is not None else UNSTATED for status in (old.status, new.status)]
        found.append(Component("status", states[0], states[1], None, None, keys=diff_keys(old.status, new.status)))
    return found


def _component(name: str, old: Slot | None, new: Slot | None, fetch: Fetch) -> Component:
    before = old if isinstance(old, Link) else None
    after = new if isinstance(new, Link) else None
    plain = Component(name, _state(old), _state(new), before, after)
    kinds = {link.kind for link in (before, after) if link is not None}
    if not kinds:
        return plain
    if name == "tools":
        return plain._replace(tools=diff_tools(before, after, fetch))
    if name == "documents":
        return plain._replace(elements=diff_documents(before, after, fetch))
    if name in LIST_SLOTS or kinds == {Kind.LIST}:
        return plain._replace(elements=diff_messages(before, after, fetch))
    old_value, new_value = _value(before, fetch), _value(after, fetch)
    if name in SETTINGS_SLOTS:
        return plain._replace(keys=diff_keys({} if before is None else old_value, {} if after is None else new_value))
    if isinstance(old_value, bytes) or isinstance(new_value, bytes):
        return plain
    if name != "prompt" and all(value is None or isinstance(value, dict) for value in (old_value, new_value)):
        return plain._replace(keys=diff_keys(old_value or {}, new_value or {}))  # a schema, or fields of a provider
    return _with_lines(plain, old_value, new_value)


def _with_lines(component: Component, old: Any, new: Any) -> Component:
    """Compare two values by lines; by keys where the lines are the same."""
    for write in (readable, _indented):
        text = diff_text("" if component.old is None else write(old), "" if component.new is None else write(new))
        if text.hunks:
            return component._replace(text=text)
    return component._replace(keys=diff_keys(old, new))


def _indented(value: Any) -> str:
    return as_json(value, indent=2)


def _value(link: Link | None, fetch: Fetch) -> Any:
    """Return what a link leads to, lists and trees as plain values, bytes as text where they are text."""
    if link is None:
        return None
    value = read_content(link, fetch)
    if isinstance(value, bytes):
        text = decoded(value)
        return value if text is None else text
    if link.kind == Kind.LIST:
        return list(value)
    return {name: str(slot) for name, slot in value.items()} if link.kind == Kind.TREE else value


def _state(slot: Slot | None) -> str:
    if slot is None:
        return UNSTATED
    return slot.value if isinstance(slot, SlotState) else PRESENT


def _stat(component: Component) -> Stat:
    slot = component.slot
    if component.tools is not None:
        tools = component.tools
        return Stat(slot, "tools", len(tools.added), len(tools.removed), len(tools.changed))
    if component.elements is not None:
        changes = [change.change for change in component.elements.changes]
        unit = {"documents": "documents", "history": "messages", "output": "messages"}.get(slot, "elements")
        return Stat(slot, unit, changes.count("added"), changes.count("removed"), changes.count("changed"))
    if component.text is not None:
        return Stat(slot, "lines", component.text.added, component.text.removed, 0)
    kinds = [change.change for change in component.keys]
    return Stat(slot, "keys", kinds.count("added"), kinds.count("removed"), len(kinds) - kinds.count("added") - kinds.count("removed"))
