"""Reading Merkle lists: their size and their elements, a node at a time where it is needed. `fetch` brings a node and raises NotFound.

Source: docs/spec/identity.md, "Lists".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runstore.errors import NotFound, Refused
from runstore.model.ids import Kind, Link, Object, link_from_raw
from runstore.model.limits import MAX_ELEMENTS
from runstore.model.nodes import Inner, Leaf, Node, decode_node

Fetch = Callable[[bytes], Object]


def fetch_node(id: bytes, fetch: Fetch) -> Node:
    """Return a node. Raises NotFound, Refused."""
    found = fetch(id)
    if found.kind != Kind.LIST:
        raise Refused(f"list:{id.hex()} is a {Kind(found.kind).label}", kind="bad-list")
    return decode_node(found.body)


def count(root: Link, fetch: Fetch) -> int:
    """Return the number of elements of a list from its root alone. Raises NotFound, Refused."""
    return fetch_node(root.id, fetch).total


def elements(root: Link, fetch: Fetch, *, start: int = 0, stop: int | None = None, reverse: bool = False) -> Iterator[Link]:
    """Yield the elements from `start` up to `stop` (both from 0, at most the count), or the same ones from the last to the first.

    Only nodes over what is yielded are fetched. A list of few nodes can have 2**32 elements: whoever takes them all from an
    unchecked list sets a `stop`. Raises NotFound, Refused.
    """
    stop = MAX_ELEMENTS if stop is None else stop
    todo: list[tuple[bytes, int, tuple[int, int] | None]] = [(root.id, 0, None)]  # id, elements before it, level and elements that are due
    while todo:
        at, before, due = todo.pop()
        node = fetch_node(at, fetch)
        if due is not None and (node.level, node.total) != due:
            raise wrong(at, f"is of level {node.level} and has {node.total} elements where {due[0]} and {due[1]} are due")
        if isinstance(node, Leaf):
            raws = node.raws[max(start - before, 0) : max(stop - before, 0)]
            yield from map(link_from_raw, reversed(raws) if reverse else raws)
            continue
        wanted = []
        for below, raw in zip(node.counts, node.raws, strict=True):
            if before < stop and before + below > start:
                wanted.append((raw[1:], before, (node.level - 1, below)))
            before += below
        todo += wanted if reverse else reversed(wanted)


def element(root: Link, index: int, fetch: Fetch) -> Link:
    """Return one element, counted from 0, or from the end where `index` is negative. One node a level is fetched. Raises NotFound."""
    node = fetch_node(root.id, fetch)
    at = index + node.total if index < 0 else index
    if not 0 <= at < node.total:
        raise NotFound(f"the list has {node.total} elements and no element {index}", kind="no-element")
    while isinstance(node, Inner):
        child = 0
        while at >= node.counts[child]:
            at -= node.counts[child]
            child += 1
        parent, digest = node, node.raws[child][1:]
        node = fetch_node(digest, fetch)
        if node.level != parent.level - 1 or node.total != parent.counts[child]:
            raise wrong(digest, "is not the node that its parent describes")
    return link_from_raw(node.raws[at])


def wrong(id: bytes, fact: str) -> Refused:
    """Return the error for a node that is not what its list says."""
    return Refused(f"list:{id.hex()} {fact}", kind="bad-list-structure")
