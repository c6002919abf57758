"""Reading order: the order in which people and replays read, from refs to all that they lead to. The same in every store.

An object comes after what it links to; an execution's links to executions come before its others; else links go in the order of the body;
each object comes once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runstore.model.ids import Kind, Link, Object
from runstore.model.objects import links_of
from runstore.runs.absence import explain
from runstore.store.protocol import Reader
from runstore.sync.marks import Marks


def reading_order(reader: Reader, tops: Iterable[Link], seen: Marks) -> Iterator[tuple[int, Object]]:
    """Yield (address, object) for all that the tops lead to and `seen` does not mark. Raises NotFound for what is not here.

    Memory: what lies on the way from a top to the object at hand.
    """
    for top in tops:
        start = _open(reader, top, seen)
        stack = [start] if start is not None else []
        while stack:
            address, obj, links = stack[-1]
            for link in links:
                found = _open(reader, link, seen)
                if found is not None:
                    stack.append(found)
                    break
            else:
                stack.pop()
                yield address, obj


def _open(reader: Reader, link: Link, seen: Marks) -> tuple[int, Object, Iterator[Link]] | None:
    found = reader.find(link.id)
    if found is None:
        raise explain(reader, link.id)
    if not seen.add(found[0]):
        return None
    return *found, iter(_links(found[1]))


def _links(obj: Object) -> Sequence[Link]:
    links = links_of(obj.kind, obj.body)
    if obj.kind != Kind.EXECUTION:
        return links
    return [*(link for link in links if link.kind == Kind.EXECUTION), *(link for link in links if link.kind != Kind.EXECUTION)]
