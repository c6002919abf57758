"""From two compositions to the changes that lead from one to the other, and to every composition between them. Pure.

A change is what a person would name: a stretch of lines of the prompt, a parameter, a tool by its name, a document by its title, a
message. Where there is more inside it (lines, keys, sentences of a long line), those are its parts, changes themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runstore.model.encoding import encode
from runstore.model.slots import SETTINGS_SLOTS, in_reading_order
from runstore.model.trees import SlotState
from runstore.query.content import label_of, one_line, text_of, tool_names
from runstore.query.elements import name_of
from runstore.query.paths import render_path
from runstore.query.sequences import opcodes
from runstore.query.textdiff import exactly_same
from runstore.reproduce.bisect.mixing import NOTHING, Emptied, Keyed, Node, Row, Same, Swap, merged

_SENTENCE = re.compile(r".+?(?:[.!?]+\s+|$)", re.DOTALL)
_LABEL = 40
Steps = tuple[str, ...]


class Change(NamedTuple):
    """One difference: where, what it is (`added`, `removed`, `changed`, `reordered`), and what stands there on each side.

    A side that has nothing there is NOTHING. `atoms` are the places that it takes; `parts` the changes inside it, none for the smallest.
    """

    slot: str
    place: str
    kind: str
    old: Any
    new: Any
    atoms: frozenset[int]
    parts: tuple[Change, ...] = ()


class Between:
    """All that lies between two compositions, given as slots with plain values.

    `changes` are those to begin with: of a slot in which one thing changed, the parts of that.
    """

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        builder = _Builder()
        self._nodes: dict[str, Node] = {}
        found: list[Change] = []
        for name in in_reading_order((*old, *new)):
            node, changes = builder.slot(name, old.get(name, NOTHING), new.get(name, NOTHING))
            self._nodes[name] = node
            while len(changes) == 1 and changes[0].parts:
                changes = changes[0].parts
            found.extend(changes)
        self.changes = tuple(found)

    def slots(self, changes: Sequence[Change]) -> dict[str, Any]:
        """Return the old composition with these changes made."""
        chosen = frozenset(atom for change in changes for atom in change.atoms)
        made = ((name, node.mix(chosen)) for name, node in self._nodes.items())
        return {name: value for name, value in made if value is not NOTHING}


_Built = tuple[Node, tuple[Change, ...]]


class _Builder:
    """Makes nodes and numbers their atoms."""

    def __init__(self) -> None:
        self._atoms = 0

    def slot(self, name: str, old: Any, new: Any) -> _Built:
        """Return what lies between two contents of a slot."""
        states = [value for value in (old, new) if value is NOTHING or isinstance(value, SlotState)]
        if len(states) != 1:
            return self._checked((name,), old, new)
        held = new if old is states[0] else old
        if not held or not isinstance(held, list | dict):
            return self._swap((name,), old, new)
        empty: Any = type(held)()
        inner, changes = self._checked((name,), *((empty, held) if held is new else (held, empty)))
        return Emptied(inner, empty, states[0]), changes

    def _checked(self, steps: Steps, old: Any, new: Any) -> _Built:
        """Return what lies between two values; whole, if no atom would not give the one, or all of them not the other."""
        if exactly_same(old, new):
            return Same(old), ()
        before = self._atoms
        node, changes = self._inside(steps, old, new)
        if isinstance(node, Swap):
            return node, changes
        everything = frozenset(range(before, self._atoms))
        if exactly_same(node.mix(frozenset()), old) and exactly_same(node.mix(everything), new):
            return node, changes
        return self._swap(steps, old, new)

    def _inside(self, steps: Steps, old: Any, new: Any) -> _Built:
        if isinstance(old, str) and isinstance(new, str):
            return self._text(steps, old, new)
        if isinstance(old, dict) and isinstance(new, dict):
            return self._keyed(steps, dict(old), dict(new), dict)
        if isinstance(old, list) and isinstance(new, list):
            if steps in (("tools",), ("documents",)):
                name = _tool if steps == ("tools",) else _document
                return self._keyed(steps, _numbered(old, name), _numbered(new, name), lambda pairs: [value for _, value in pairs])
            return self._row(steps, old, new)
        return self._swap(steps, old, new)

    def _swap(self, steps: Steps, old: Any, new: Any, place: str | None = None) -> _Built:
        self._atoms += 1
        atom = self._atoms - 1
        kind = "added" if old is NOTHING else "removed" if new is NOTHING else "changed"
        change = Change(steps[0], place or render_path(steps), kind, old, new, frozenset((atom,)))
        return Swap(atom, old, new), (change,)

    def _keyed(self, steps: Steps, old: dict[Any, Any], new: dict[Any, Any], join: Callable[[list[tuple[Any, Any]]], Any]) -> _Built:
        nodes: dict[Hashable, Node] = {}
        changes: list[Change] = []
        names = merged(list(new), list(old))
        for name in names:
            inner = (*steps, name if isinstance(name, str) else name_of(*name))  # type: ignore[misc]
            one, other = old.get(name, NOTHING), new.get(name, NOTHING)
            nodes[name], found = self._swap(inner, one, other) if NOTHING in (one, other) else self._checked(inner, one, other)
            # Nested settings are told key by key; of all else what is named is the whole.
            lifted = steps[0] in SETTINGS_SLOTS and isinstance(one, dict)
            changes.extend(found if lifted else _joined(inner, one, other, found))
        order = None
        if [name for name in old if name in new] != [name for name in new if name in old]:
            self._atoms += 1
            order = self._atoms - 1
            changes.append(Change(steps[0], render_path(steps), "reordered", NOTHING, NOTHING, frozenset((order,))))
        return Keyed(nodes, merged(list(old), list(new)), names, order, join), tuple(changes)

    def _row(self, steps: Steps, old: list[Any], new: list[Any]) -> _Built:
        items: list[Node] = []
        changes: list[Change] = []
        for one, other, at in _paired(old, new, [encode(value).body for value in old], [encode(value).body for value in new]):
            inner = (*steps, str(at))
            node, found = self._swap(inner, one, other) if NOTHING in (one, other) else self._checked(inner, one, other)
            items.append(node)
            changes.extend(_joined(inner, one, other, found))
        return Row(items, list), tuple(changes)

    def _text(self, steps: Steps, old: str, new: str) -> _Built:
        """Return what lies between two texts: stretches of lines; of a single long line, its sentences."""
        before, after = old.split("\n"), new.split("\n")
        if len(before) == len(after) == 1:
            return self._line(steps, old, new, render_path(steps))
        items: list[Node] = []
        stretches: list[Change] = []
        for tag, a, b, c, d in opcodes(before, after):
            if tag == "equal":
                items.extend(Same(line) for line in before[a:b])
                continue
            lines: list[Change] = []
            for one, other, at in _side_by_side(before, after, a, b, c, d):
                node, found = self._line(steps, one, other, _place(steps, at, at + 1))
                items.append(node)
                lines.extend(_joined(steps, one, other, found, _place(steps, at, at + 1)))
            where = _place(steps, c, d) if d > c else _place(steps, a, b)
            stretches.extend(_joined(steps, _lines(before[a:b]), _lines(after[c:d]), tuple(lines), where))
        return Row(items, "\n".join), tuple(stretches)

    def _line(self, steps: Steps, old: Any, new: Any, place: str) -> _Built:
        if old is NOTHING or new is NOTHING:
            return self._swap(steps, old, new, place)
        before, after = _SENTENCE.findall(old), _SENTENCE.findall(new)
        if old == new or min(len(before), len(after)) < 2:
            return (Same(old), ()) if old == new else self._swap(steps, old, new, place)
        items: list[Node] = []
        changes: list[Change] = []
        for one, other, at in _paired(before, after, before, after):
            node, found = (Same(one), ()) if one == other else self._swap(steps, one, other, f"{place}, sentence {at + 1}")
            items.append(node)
            changes.extend(found)
        return Row(items, "".join), tuple(changes)


def _joined(steps: Steps, old: Any, new: Any, parts: tuple[Change, ...], place: str | None = None) -> Iterator[Change]:
    """Yield several changes of one thing as one; a single one as it is, since its place is the more exact."""
    if len(parts) == 1:
        yield parts[0]
    elif parts:
        kind = "added" if old is NOTHING else "removed" if new is NOTHING else "changed"
        atoms = frozenset(atom for part in parts for atom in part.atoms)
        yield Change(steps[0], place or render_path(steps), kind, old, new, atoms, parts)


def _paired(
    old: Sequence[Any], new: Sequence[Any], before: Sequence[Hashable], after: Sequence[Hashable]
) -> Iterator[tuple[Any, Any, int]]:
    """Yield what stands side by side in two sequences, with the place of the new one, or of the old where there is none."""
    for tag, a, b, c, d in opcodes(before, after):
        if tag == "equal":
            yield from ((new[at], new[at], at) for at in range(c, d))
        else:
            yield from _side_by_side(old, new, a, b, c, d)


def _side_by_side(old: Sequence[Any], new: Sequence[Any], a: int, b: int, c: int, d: int) -> Iterator[tuple[Any, Any, int]]:
    both = min(b - a, d - c)
    yield from ((old[a + at], new[c + at], c + at) for at in range(both))
    yield from ((old[at], NOTHING, at) for at in range(a + both, b))
    yield from ((NOTHING, new[at], at) for at in range(c + both, d))


def _place(steps: Steps, start: int, end: int) -> str:
    return f"{render_path(steps)} line {start + 1}" if end - start == 1 else f"{render_path(steps)} lines {start + 1}–{end}"


def _lines(lines: list[str]) -> Any:
    return "\n".join(lines) if lines else NOTHING


def _numbered(values: list[Any], name: Callable[[Any], str]) -> dict[tuple[str, int], Any]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Any] = {}
    for value in values:
        label = name(value)
        found[(label, seen[label])] = value
        seen[label] += 1
    return found


def _tool(value: Any) -> str:
    return ", ".join(tool_names(value)) or one_line(text_of(value), _LABEL)


def _document(value: Any) -> str:
    return label_of(value) or one_line(text_of(value), _LABEL)
