"""Walking from objects to what they link to: each object once, without recursion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runstore import refs
from runstore.model.ids import Kind, Link, Object
from runstore.model.objects import links_of
from runstore.store.protocol import Reader


def roots(reader: Reader) -> list[Link]:
    """Return what must be kept: the targets of all refs and what the reflog remembers."""
    return [ref.target for ref in refs.each(reader)] + list(refs.links(reader))


def reachable(reader: Reader, starts: Iterable[Link], seen: set[int] | None = None) -> Iterator[tuple[int, Object]]:
    """Yield (address, object) for all that the starts lead to, what an object links to before the object. What is not here is passed over.

    `seen` holds addresses that are not to be visited (again); it grows.
    """
    visited = set() if seen is None else seen
    for start in starts:
        yield from _depth_first(reader, start, visited)


def executions_oldest_first(reader: Reader, tip: Link) -> list[Link]:
    """Return the executions that a tip leads to over parents, each after its parents; just the tip if it is no execution."""
    order: list[Link] = []
    seen: set[bytes] = set()
    stack = [(tip, False)]
    while stack:
        link, done = stack.pop()
        if done:
            order.append(link)
        elif link.id not in seen:
            seen.add(link.id)
            stack.append((link, True))
            if link.kind == Kind.EXECUTION and reader.address(link.id) is not None:
                parents = [found for found in links_of(link.kind, reader.get(link.id).body) if found.kind == Kind.EXECUTION]
                stack.extend((parent, False) for parent in reversed(parents))
    return order


def _depth_first(reader: Reader, start: Link, visited: set[int]) -> Iterator[tuple[int, Object]]:
    stack: list[tuple[Link, tuple[int, Object] | None]] = [(start, None)]
    while stack:
        link, ready = stack.pop()
        if ready is not None:
            yield ready
            continue
        address = reader.address(link.id)
        if address is None or address in visited:
            continue
        visited.add(address)
        obj = reader.get(link.id)
        stack.append((link, (address, obj)))
        stack.extend((child, None) for child in reversed(links_of(obj.kind, obj.body)))
