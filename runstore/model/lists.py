"""Merkle lists: history, documents and tools as trees of nodes whose shape depends on the sequence alone.

An append writes one node a level, an edit elsewhere an expected O(log N) new nodes; lists that share a run of elements share
the nodes over it. Walks use no recursion and look at a node where it is needed: `fetch` brings a node by id and raises NotFound.
Source: docs/spec/identity.md, "Lists".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from runstore.errors import InvalidInput
from runstore.model.elements import Fetch, count, element, elements, fetch_node, wrong
from runstore.model.ids import LINK_BYTES, Kind, Link, Object, link_from_raw, make_object
from runstore.model.nodes import LEAST, Inner, Leaf, Node, closes, decode_node, inner_body, leaf_body
from runstore.tuples import NamedTuple

__all__ = [
    "BuiltList", "Fetch", "Inner", "Leaf", "ListBuilder", "Node", "Structure",
    "build", "check_structure", "count", "decode_node", "element", "elements",
]  # fmt: skip

_LIST = bytes((Kind.LIST,))


class BuiltList(NamedTuple):
    """A list and the nodes that spell it: children before their parents, the root last."""

    root: Link
    size: int
    nodes: tuple[Object, ...]


class ListBuilder:
    """A list that grows at its end. It remembers every closed node, so a state of fewer elements can be told at any time.

    Per level: the items (links of 33 bytes), the elements below each, and where the closed nodes end. The items of a level
    are the closed nodes of the level below it; what is not closed yet is written anew for each state.
    """

    __slots__ = ("_below", "_ends", "_items")

    def __init__(self) -> None:
        self._items: list[list[bytes]] = [[]]
        self._below: list[list[int]] = [[]]
        self._ends: list[list[int]] = [[0]]

    def __len__(self) -> int:
        return len(self._items[0])

    def raws(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """The links of the elements as 33 bytes each."""
        return self._items[0][start:stop]

    def append(self, raw: bytes) -> None:
        """Take one more element: the 33 bytes of a link to a value or a blob."""
        items = self._items[0]
        items.append(raw)
        if closes(len(items) - self._ends[0][-1], raw):
            self._close()

    def _close(self) -> None:
        """Close the last node of level 0, and of each level above it that it closes in turn."""
        level = 0
        while True:
            node, below = self._node(level, self._ends[level][-1], len(self._items[level]))
            self._ends[level].append(len(self._items[level]))
            level += 1
            if level == len(self._items):
                self._items.append([])
                self._below.append([])
                self._ends.append([0])
            raw = _LIST + node.id
            self._items[level].append(raw)
            self._below[level].append(below)
            if not closes(len(self._items[level]) - self._ends[level][-1], raw):
                return

    def _node(self, level: int, start: int, stop: int, extra: tuple[int, bytes] | None = None) -> tuple[Object, int]:
        """Return the node over some items of a level, and the number of elements below it. `extra` is one more child."""
        raws = self._items[level][start:stop]
        if not level:
            body, below = leaf_body(raws), len(raws)
        else:
            counts = self._below[level][start:stop]
            if extra:
                counts.append(extra[0])
                raws.append(extra[1])
            body, below = inner_body(level, counts, raws), sum(counts)
        return make_object(Kind.LIST, body), below

    def closed(self, size: int | None = None) -> list[int]:
        """Return for each level how many of its nodes are closed once the first `size` elements are taken."""
        if size is None or size == len(self):
            return [len(ends) - 1 for ends in self._ends]
        taken = size
        counts = []
        for ends in self._ends:
            taken = bisect_right(ends, taken) - 1
            counts.append(taken)
        return counts

    def state(self, size: int | None = None, since: int | None = None) -> BuiltList:
        """Return the list of the first `size` elements, with the nodes that the list of the first `since` does not have.

        `since` None gives all nodes. The open nodes at the end are always given.
        """
        size = len(self) if size is None else size
        if len(self._items) == 1:  # nothing is closed yet: one leaf
            leaf = make_object(Kind.LIST, leaf_body(self._items[0][:size]))
            return BuiltList(leaf.link, size, (leaf,))
        closed = self.closed(size)
        known = [0] * len(closed) if since is None else self.closed(since)
        nodes: list[Object] = []
        carry: tuple[int, bytes] | None = None
        stop = size
        for level, done in enumerate(closed):
            ends, items = self._ends[level], self._items
            for number in range(known[level], done):
                raw = items[level + 1][number]
                start, end = ends[number], ends[number + 1]
                nodes.append(self._again(level, start, end, raw))
            if stop > ends[done] or carry or not size:
                node, below = self._node(level, ends[done], stop, carry)
                nodes.append(node)
                carry = (below, _LIST + node.id)
            if done + (carry is not None) == 1:
                root = carry[1] if carry else items[level + 1][0]
                return BuiltList(link_from_raw(root), size, tuple(nodes))
            stop = done
        raise AssertionError("a list has a root")

    def _again(self, level: int, start: int, stop: int, raw: bytes) -> Object:
        """Write a closed node once more; its id is known."""
        raws = self._items[level][start:stop]
        body = inner_body(level, self._below[level][start:stop], raws) if level else leaf_body(raws)
        return Object(Kind.LIST, raw[1:], body)

    def truncated(self, size: int) -> ListBuilder:
        """Return a builder of the first `size` elements, for another continuation. This one stays as it is."""
        other = ListBuilder()
        other._items, other._below, other._ends = [], [], []
        taken = size
        for level, done in enumerate(self.closed(size)):
            other._items.append(self._items[level][:taken])
            other._below.append(self._below[level][:taken])
            other._ends.append(self._ends[level][: done + 1])
            taken = done
            if not done:
                break
        return other


def build(links: Iterable[Link | bytes]) -> BuiltList:
    """Return the list of these elements, links to values or blobs, with all its nodes."""
    raws = [link.raw if isinstance(link, Link) else link for link in links]
    for raw in raws:
        if len(raw) != LINK_BYTES or not 1 <= raw[0] <= 2:
            raise InvalidInput("an element of a list is a link to a value or a blob", kind="bad-link")
    if len(raws) < LEAST:
        leaf = make_object(Kind.LIST, leaf_body(raws))
        return BuiltList(leaf.link, len(raws), (leaf,))
    builder = ListBuilder()
    for raw in raws:
        builder.append(raw)
    return builder.state()


class Structure(NamedTuple):
    """What the structure check found: elements, distinct nodes, and whether every element is a value."""

    size: int
    objects: int
    only_values: bool


class _Seen(NamedTuple):
    level: int
    total: int
    ends: bool  # the node is closed by its last item, and so is its last child, down to the leaf
    only_values: bool
    lone: bool  # an inner node of one child, which cannot be the root


def check_structure(root: Link, fetch: Fetch) -> Structure:
    """Check that a list has the one shape that its elements give it, each distinct node once. Raises Refused, NotFound.

    The time is linear in the distinct nodes, however many elements they spell.
    """
    seen: dict[bytes, _Seen] = {}
    waiting: dict[bytes, Node] = {}  # nodes whose children come first
    todo = [root.id]
    while todo:
        at = todo[-1]
        if at not in seen:
            node = waiting.pop(at, None)
            if node is None:
                node = fetch_node(at, fetch)
                missing = [] if isinstance(node, Leaf) else [raw[1:] for raw in dict.fromkeys(node.raws) if raw[1:] not in seen]
                if missing:
                    waiting[at] = node
                    todo += missing
                    continue
            seen[at] = _check_node(at, node, seen)
        todo.pop()
    top = seen[root.id]
    if top.lone:
        raise wrong(root.id, "is a root of one child")
    return Structure(top.total, len(seen), top.only_values)


def _check_node(id: bytes, node: Node, seen: dict[bytes, _Seen]) -> _Seen:
    """Check one node whose children have been checked."""
    raws = node.raws
    for place in range(LEAST, len(raws)):
        if closes(place, raws[place - 1]):
            raise wrong(id, f"goes on after item {place}, which closes it")
    closed = bool(raws) and closes(len(raws), raws[-1])
    if isinstance(node, Leaf):
        return _Seen(0, len(raws), closed, all(raw[0] == Kind.VALUE for raw in raws), lone=False)
    last = len(raws) - 1
    for number, (below, raw) in enumerate(zip(node.counts, raws, strict=True)):
        child = seen[raw[1:]]
        if child.level != node.level - 1:
            raise wrong(id, f"is of level {node.level} and has a child of level {child.level}")
        if not child.total or child.total != below:
            raise wrong(id, f"claims {below} elements below a child that has {child.total}")
        if number < last and not child.ends:
            raise wrong(id, f"has a child ({number}) that is not closed and not the last")
    children = [seen[raw[1:]] for raw in raws]
    only_values = all(child.only_values for child in children)
    return _Seen(node.level, node.total, closed and children[-1].ends, only_values, lone=not last)
