"""Partial transfers: what the caller asked to be left out, and so is promised instead of sent.

Source: docs/spec/protocol.md, "Partial transfers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, Refused
from runstore.model.executions import decode_execution_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.objects import links_of
from runstore.model.trees import decode_tree_trusted
from runstore.runs.generations import near

CLASSES = ("output", "documents", "blobs")


class Omission(NamedTuple):
    """What is left out: executions farther than `depth` from a tip or started before `since` (microseconds), and classes of objects."""

    depth: int | None = None
    since: int | None = None
    without: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.depth is not None or self.since is not None or bool(self.without)

    def fields(self) -> dict[str, Any]:
        """Return what stands in a message."""
        found: dict[str, Any] = {}
        if self.depth is not None:
            found["depth"] = self.depth
        if self.since is not None:
            found["since"] = self.since
        if self.without:
            found["without"] = sorted(self.without)
        return found

    def cut(self, executions: Sequence[Object], tips: Iterable[bytes]) -> tuple[list[Object], list[Link]]:
        """Return the executions that are kept, in their order, and links to those that kept ones lead to and that are left out."""
        if self.depth is None and self.since is None:
            return list(executions), []
        by_id = {obj.id: obj for obj in executions}
        below = {obj.id: near(links_of(obj.kind, obj.body)) for obj in executions}
        linked = {one for ids in below.values() for one in ids}
        tops = dict.fromkeys((*tips, *(key for key in by_id if key not in linked)))
        front = [key for key in tops if key in by_id and self._is_young(by_id[key])]
        kept = dict.fromkeys(front)
        reached = 1
        while front and (self.depth is None or reached < self.depth):
            front = [
                one
                for one in dict.fromkeys(one for key in front for one in below[key])
                if one in by_id and one not in kept and self._is_young(by_id[one])
            ]
            kept.update(dict.fromkeys(front))
            reached += 1
        cut = dict.fromkeys(one for key in kept for one in below[key] if one in by_id and one not in kept)
        return [obj for obj in executions if obj.id in kept], [Link(Kind.EXECUTION, key) for key in cut]

    def _is_young(self, obj: Object) -> bool:
        if self.since is None:
            return True
        started = decode_execution_trusted(obj.body).started
        return started is None or started >= self.since

    def follow(self, obj: Object, links: Sequence[Link], promised: set[Link]) -> Sequence[Link]:
        """Return those of an object's links that are followed; the others are promised."""
        if not self.without:
            return links
        left = self._left(obj)
        promised.update(left)
        return [link for link in links if link not in left] if left else links

    def _left(self, obj: Object) -> set[Link]:
        if obj.kind == Kind.EXECUTION and "output" in self.without:
            execution = decode_execution_trusted(obj.body)
            return {link for link in (execution.output, execution.response, execution.wire) if link is not None}
        if obj.kind == Kind.TREE and "documents" in self.without:
            slot = decode_tree_trusted(obj.body).get("documents")
            return {slot} if isinstance(slot, Link) else set()
        return set()

    def leaves_out(self, link: Link) -> bool:
        """True if no object of this link's kind is sent."""
        return link.kind == Kind.BLOB and "blobs" in self.without


def from_fields(fields: Mapping[str, Any]) -> Omission:
    """Read what a peer's message asks to be left out. Raises Refused."""
    depth, since, without = fields.get("depth"), fields.get("since"), fields.get("without", [])
    if not (depth is None or (type(depth) is int and depth >= 1)) or not (since is None or type(since) is int):
        raise Refused("depth is a number from 1 up, and since a time in microseconds", kind="bad-message")
    if not isinstance(without, list) or any(name not in CLASSES for name in without):
        raise Refused(f"what can be left out is {', '.join(CLASSES)}", kind="bad-message")
    return Omission(depth, since, frozenset(without))


def omission(*, depth: int | None = None, since: int | None = None, without: Iterable[str] = ()) -> Omission:
    """Make an omission from what a person asks for. Raises InvalidInput."""
    classes = frozenset(without)
    if classes - set(CLASSES):
        raise InvalidInput(
            f"{sorted(classes - set(CLASSES))[0]!r} cannot be left out", hint=f"one of {', '.join(CLASSES)} can", kind="bad-class"
        )
    if depth is not None and depth < 1:
        raise InvalidInput("a depth is a number from 1 up", kind="bad-depth")
    return Omission(depth, since, classes)
