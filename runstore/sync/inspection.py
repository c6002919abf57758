"""Inspecting: the border's look at each object of a transfer, frame by frame, in whatever order they come.

Steps 4 to 9 of docs/spec/protocol.md, "Receiving". What an object demands of another is checked as soon as that one is known, and at the
latest when all have come. Memory: one number an object, and the bodies of what waits.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runstore.errors import InvalidInput, Refused
from runstore.model.encoding import decode_value
from runstore.model.executions import Execution
from runstore.model.heads import LINK_HEAD
from runstore.model.ids import Kind, Link, Object, link_from_raw
from runstore.model.lists import decode_node
from runstore.model.nodes import Inner, Leaf
from runstore.model.objects import open_body
from runstore.model.slots import LIST_SLOTS, SETTINGS_SLOTS, VALUE_SLOTS, check_slot_kind, is_run, kind_of_slot
from runstore.model.trees import Slot, decode_tree
from runstore.runs.generations import Near
from runstore.store.frames import Segment, objects_in
from runstore.store.protocol import Reader
from runstore.sync.facts import (
    AS_ROOT,
    KNOWN,
    LINKED,
    NORMAL,
    ORDERED,
    PRESENT,
    RUN,
    SINGLE,
    VALUES,
    inner_facts,
    leaf_facts,
    value_facts,
)
from runstore.sync.limits import Limits
from runstore.sync.visible import View

_BLOB, _VALUE, _LIST, _TREE = int(Kind.BLOB), int(Kind.VALUE), int(Kind.LIST), int(Kind.TREE)  # comparing members costs more
_EXECUTION, _TAG = int(Kind.EXECUTION), int(Kind.TAG)
_SETTLED = LINKED | ORDERED
_SEEN = PRESENT | KNOWN
_SEEN_RUN = _SEEN | RUN
# What a run demands of what its slots link to.
_FACTS = {**dict.fromkeys(SETTINGS_SLOTS, NORMAL), **dict.fromkeys(LIST_SLOTS, VALUES), **dict.fromkeys(VALUE_SLOTS, 0)}
# The same by name and by the kind that the slot has to link to.
_DEMANDS = {(name, kind_of_slot(name)): fact for name, fact in _FACTS.items()}
_TREE_LABEL = bytes((_TREE,))
_LABELS = {int(kind): bytes((kind,)) for kind in Kind}


class Inspection:
    """What is known of one transfer.

    `reader` and `view` say what is here, `promised` (raw links) what need not be; `again` gives the content of a frame that was looked at
    before. `external` are the raw links to what must stay here until the commit, `unordered` the numbers of frames that lead to later ones,
    `left_out` what is linked to and only promised. While `keeps` is true, executions and the slots of trees are kept in `decoded`, and the
    links of trees and lists in `linked`, by id.
    """

    def __init__(self, reader: Reader, view: View, again: Callable[[int], Segment], *, limits: Limits) -> None:
        self._reader = reader
        self.generation = reader.generation
        self._view = view
        self._again = again
        self._limits = limits
        self._depth = limits.depth
        self._facts: dict[bytes, int] = {}
        self._here: dict[bytes, int] = {}
        self._waiting: list[tuple[int, Object, Any]] = []
        self._later = array("Q")  # frame and position of what waits for a later frame
        self.promised: set[bytes] = set()
        self.left_out: list[Link] = []
        self.parents: dict[bytes, Near] = {}
        self.merges: list[bytes] = []
        self.external: set[bytes] = set()
        self.unordered: list[int] = []
        self.keeps = False
        self.decoded: dict[bytes, Any] = {}
        self.linked: dict[bytes, Sequence[bytes]] = {}
        self._frames = 0

    # --- as frames come --------------------------------------------------------------------------------------------------

    def take(self, segment: Segment) -> list[Object]:
        """Look at the objects of one frame; return them with their ids. Raises Refused, naming the object and the reason."""
        found = objects_in(segment)
        raws = [_LABELS[kind] + name for kind, name, _ in found]
        links: set[bytes] = set()
        roots: set[bytes] = set()
        facts, most = self._facts, self._limits.body
        for position, (raw, obj) in enumerate(zip(raws, found, strict=True)):
            before = facts.get(raw, 0)
            if before & PRESENT:
                raise Refused(f"{obj.link} comes twice", kind="duplicate-object")
            if len(obj.body) > most:
                raise Refused(f"{obj.link} has {len(obj.body):,} bytes; the most is {most:,} here", kind="limit-exceeded")
            try:
                facts[raw] = before | PRESENT | self._open(position, obj, links, roots)
            except (InvalidInput, Refused) as error:
                raise Refused(f"{obj.link}: {error}", kind=error.kind) from error
        self._note_links({*raws}, links, roots)
        self._settle_frame()
        self._frames += 1
        return found

    def _open(self, position: int, obj: Object, links: set[bytes], roots: set[bytes]) -> int:
        """Decode strictly, collect links, and return what can be said at once; what cannot waits."""
        kind, name, body = obj
        if kind == _VALUE and LINK_HEAD not in body:
            return value_facts(decode_value(body, max_depth=self._depth))
        content: Any
        if kind == _LIST:
            content = decode_node(body)
            links.update(content.raws)
            if self.keeps:
                self.linked[name] = content.raws
            if type(content) is Leaf:
                return leaf_facts(content)
        else:
            content, raws = open_body(kind, body, max_depth=self._depth)
            if kind == _BLOB:
                return KNOWN
            links.update(raws)
            if kind == _VALUE:
                return value_facts(content)
            for raw in raws:
                if raw[0] == _LIST:
                    roots.add(raw)
            if kind == _TAG:
                return KNOWN
            self._note_top(kind, name, content, raws)
        settled = self._at_once(kind, content)
        if settled is not None:
            return settled
        self._waiting.append((position, obj, content))
        return RUN if kind == _TREE and is_run(content) else 0

    def _note_top(self, kind: int, name: bytes, content: Any, raws: Sequence[bytes]) -> None:
        """Remember what is needed later of an execution or a tree."""
        if kind == _EXECUTION:
            self.parents[name] = tuple([link.id for link in content.parents])
            if content.is_merge:
                self.merges.append(name)
        elif self.keeps:
            self.linked[name] = raws
        if self.keeps:
            self.decoded[name] = content

    def _at_once(self, kind: int, content: Any) -> int | None:
        """Return the facts of an object whose demands are met by what has come before it; None if that needs a closer look."""
        facts = self._facts
        if kind == _LIST:
            children = [facts.get(raw, 0) for raw in content.raws]
            return inner_facts(content, children) if {child & _SEEN for child in children} == {_SEEN} else None
        if kind == _EXECUTION:
            run = content.run
            return KNOWN if run is None or facts.get(_TREE_LABEL + run[1], 0) & _SEEN_RUN == _SEEN_RUN else None
        if not is_run(content):
            return KNOWN
        for name, slot in content.items():
            if type(slot) is Link:
                kind, target = slot
                fact = _DEMANDS.get((name, kind))
                if fact is None or (fact and facts.get(_LABELS[kind] + target, 0) & (wanted := _SEEN | fact) != wanted):
                    return None
        return KNOWN | RUN

    def _note_links(self, own: set[bytes], links: set[bytes], roots: set[bytes]) -> None:
        facts = self._facts
        ordered = True
        for raw in links:
            before = facts.get(raw, 0)
            if before & _SETTLED == _SETTLED:
                continue
            facts[raw] = before | LINKED
            if not before & ORDERED and raw not in own and ordered:
                ordered = not before & PRESENT and (self._facts_here(raw) is not None or self._is_promised(raw))
        for raw in roots:
            facts[raw] |= AS_ROOT
        if ordered:
            for raw in own:
                facts[raw] |= ORDERED
        else:
            self.unordered.append(self._frames)

    # --- demands ----------------------------------------------------------------------------------------------------------

    def _settle_frame(self) -> None:
        """Check what waits in this frame and can be checked; the rest waits for the end, by its place alone."""
        waiting, self._waiting = self._waiting, []
        while waiting:
            left = [one for one in waiting if not self._demand(one[1], one[2])]
            if len(left) == len(waiting):
                break
            waiting = left
        self._later.extend(self._frames << 16 | position for position, _, _ in waiting)

    def _settle_later(self) -> None:
        """Check what waited for later frames. Each pass settles at least one level of lists, trees or executions."""
        while self._later:
            later, self._later = self._later, array("Q")
            number, segment = -1, None
            for place in later:
                if segment is None or place >> 16 != number:
                    number = place >> 16
                    segment = self._again(number)
                obj = segment.make(place & 0xFFFF)
                if not self._demand(obj, open_body(obj.kind, obj.body).content):
                    self._later.append(place)
            if len(self._later) == len(later):
                return

    def _demand(self, obj: Object, content: Any) -> bool:
        """Check what an object demands of those that it links to; False if one of them is not known yet. Raises Refused."""
        try:
            if obj.kind == _LIST:
                found = self._node_demands(content)
            elif obj.kind == _TREE:
                found = self._tree_demands(content)
            else:
                found = self._execution_demands(content)
        except Refused as error:
            raise Refused(f"{obj.link}: {error}", kind=error.kind) from error
        if found is None:
            return False
        self._facts[_LABELS[obj.kind] + obj.id] |= found | KNOWN
        return True

    def _node_demands(self, node: Inner) -> int | None:
        children: list[int] = []
        for raw in node.raws:
            facts = self._known(raw)
            if facts is None:
                return None
            children.append(facts)
        return inner_facts(node, children)

    def _tree_demands(self, slots: Mapping[str, Slot]) -> int | None:
        if not is_run(slots):
            return 0
        for name, slot in slots.items():
            if type(slot) is not Link:
                continue
            kind, name_of = slot
            fact = _DEMANDS.get((name, kind))
            if fact is None:
                check_slot_kind(name, slot)
            elif fact:
                raw = _LABELS[kind] + name_of
                facts = self._known(raw)
                if facts is None:
                    if self._is_promised(raw):
                        continue
                    return None
                if not facts & fact:
                    raise Refused(_slot_fact(name), kind="bad-run")
        return 0

    def _execution_demands(self, execution: Execution) -> int | None:
        if execution.run is None:
            return 0
        raw = execution.run.raw
        facts = self._known(raw)
        if facts is None:
            return 0 if self._is_promised(raw) else None
        if not facts & RUN:
            raise Refused(f"its run {execution.run} does not state all core slots", kind="bad-execution")
        return 0

    def _known(self, raw: bytes) -> int | None:
        """Return the facts of an object of the transfer or the store; None if they are not known (yet)."""
        found = self._facts.get(raw, 0)
        if found & PRESENT:
            return found if found & KNOWN else None
        return self._facts_here(raw)

    def _facts_here(self, raw: bytes) -> int | None:
        """Return the facts of an object that is here and visible, or None. It was checked when it came in."""
        known = self._here.get(raw)
        if known is not None:
            return known
        link = link_from_raw(raw)
        if not self._view.holds(self._reader, link):
            return None
        self.external.add(raw)
        found = self._here[raw] = self._read_facts(link)
        return found

    def _is_promised(self, raw: bytes) -> bool:
        """True if an object need not be here: this transfer promises it, or an earlier one did."""
        return raw in self.promised or self._view.promises(self._reader, raw)

    def _read_facts(self, link: Link) -> int:
        if link.kind == Kind.VALUE:
            return value_facts(decode_value(self._reader.get(link.id).body))
        if link.kind == Kind.TREE:
            return KNOWN | (RUN if is_run(decode_tree(self._reader.get(link.id).body)) else 0)
        if link.kind != Kind.LIST:
            return KNOWN
        todo = [link.raw]
        while todo:
            raw = todo[-1]
            node = decode_node(self._reader.get(raw[1:]).body)
            missing = [] if isinstance(node, Leaf) else [child for child in node.raws if child not in self._here]
            if missing:
                todo += missing
                continue
            self._here[raw] = leaf_facts(node) if isinstance(node, Leaf) else inner_facts(node, [self._here[child] for child in node.raws])
            todo.pop()
        return self._here[link.raw]

    # --- when all have come -------------------------------------------------------------------------------------------------

    def finish(self, roots: Iterable[Link]) -> None:
        """Check that all that is linked to is there, and nothing is there that is neither linked to nor a root. Raises Refused."""
        tops = {root.raw for root in roots}
        for raw in tops:
            self._facts[raw] = self._facts.get(raw, 0) | LINKED
        self._settle_later()
        stray: bytes | None = None
        for raw, found in self._facts.items():
            if not found & PRESENT:
                facts = self._facts_here(raw)
                if facts is None and self._is_promised(raw):
                    self.left_out.append(link_from_raw(raw))
                    continue
                if facts is None:
                    raise Refused(f"{link_from_raw(raw)} is linked to, and is neither in the transfer nor here", kind="missing-object")
                found |= facts & SINGLE
            elif not found & LINKED:
                stray = raw
            if found & AS_ROOT and found & SINGLE:
                raise Refused(f"{link_from_raw(raw)} is a whole list, and its root has one child", kind="bad-list-structure")
        if stray is not None:
            raise Refused(f"{link_from_raw(stray)} is not linked to by anything in the transfer", kind="unreferenced-object")
        if self._later:
            place = self._later[0]
            raise Refused(
                f"{self._again(place >> 16).make(place & 0xFFFF).link} links to what is not in the transfer", kind="missing-object"
            )

    def unseen(self) -> int:
        """Return how many objects of the transfer the sender could not know to be here: the number that it may be told."""
        return sum(found & PRESENT and not self._view.has(self._reader, raw[1:]) for raw, found in self._facts.items())

    def came(self, link: Link) -> bool:
        """True if the object is part of the transfer."""
        return bool(self._facts.get(link.raw, 0) & PRESENT)


def _slot_fact(name: str) -> str:
    return (
        f"the slot {name} links to settings that are not in normal form"
        if name in SETTINGS_SLOTS
        else f"the slot {name} has an element that is no value"
    )
