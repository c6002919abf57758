"""Two lists side by side: where they begin to differ is found by comparing nodes, so what they share is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged
from runstore.model.ids import LINK_BYTES, Kind, Link, link_from_raw
from runstore.model.nodes import Leaf, decode_node

if TYPE_CHECKING:
    from runstore.query.paths import Fetch

_ELEMENT = -1
_EMPTY = b"\x92\x00\x90"


def first_of(root: Link, fetch: Fetch) -> Link | None:
    """Return the first element of a list, or None; reads one node a level."""
    raw = root.raw
    while raw[0] == Kind.LIST:
        raws = decode_node(fetch(raw[1:]).body).raws
        if not raws:
            return None
        raw = raws[0]
    return link_from_raw(raw)


def last_of(root: Link, fetch: Fetch) -> Link | None:
    """Return the last element of a list, or None; reads one node a level, and of each only its last link, which ends the body."""
    raw = root.raw
    while raw[0] == Kind.LIST:
        body = fetch(raw[1:]).body
        if body == _EMPTY:
            return None
        raw = body[-LINK_BYTES:]
    return link_from_raw(raw)


class Cursor:
    """A place in a list that moves forward, over whole nodes where asked. `at` is the position of the next element."""

    def __init__(self, root: Link | None, fetch: Fetch) -> None:
        """`root` None is a list of no elements."""
        self.at = 0
        self._fetch = fetch
        self._ahead: list[tuple[int, int, bytes]] = []  # (level, elements below, link), the next one last
        if root is not None:
            self._push(root.raw)

    def pass_common(self, other: Cursor) -> int:
        """Move both cursors to the first element that differs, or to an end; return how many elements were passed."""
        start = self.at
        while self._ahead and other._ahead:
            mine, theirs = self._ahead[-1], other._ahead[-1]
            if mine == theirs:
                self._skip()
                other._skip()
            elif mine[0] == theirs[0] == _ELEMENT:
                break
            else:
                if mine[0] >= theirs[0]:
                    self._open()
                if theirs[0] >= mine[0]:
                    other._open()
        return self.at - start

    def rest(self) -> Iterator[bytes]:
        """Yield the links (33 bytes) of the elements from here to the end."""
        while self._ahead:
            if self._ahead[-1][0] == _ELEMENT:
                raw = self._ahead[-1][2]
                self._skip()
                yield raw
            else:
                self._open()

    def _skip(self) -> None:
        self.at += self._ahead.pop()[1]

    def _open(self) -> None:
        self._push(self._ahead.pop()[2])

    def _push(self, raw: bytes) -> None:
        obj = self._fetch(raw[1:])
        if obj.kind != raw[0]:
            raise Damaged(f"{link_from_raw(raw)} is a {obj.link.kind.label} in the store", hint="`runstore fsck` tells the extent")
        node = decode_node(obj.body)
        if isinstance(node, Leaf):
            self._ahead.extend((_ELEMENT, 1, element) for element in reversed(node.raws))
        else:
            self._ahead.extend(
                (node.level - 1, number, child) for number, child in zip(reversed(node.counts), reversed(node.raws), strict=True)
            )
