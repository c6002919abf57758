"""The nodes of Merkle lists as bytes: leaves of links, inner nodes of counts and links.

A link takes 36 bytes, `c7 21 01`, the kind code and the id, so a leaf is cut at fixed places.
Source: docs/spec/identity.md, "Lists".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from typing import Any

from runstore.errors import Refused
from runstore.model.heads import LINK_HEAD, array_head, pack_int
from runstore.model.ids import Kind, Link, link_from_raw
from runstore.model.limits import MAX_ELEMENTS
from runstore.tuples import NamedTuple

LEAST, MOST = 8, 64
TOP_LEVEL = 16
BOUNDARY = (477218588).to_bytes(4, "big")
"""An item whose id begins below this, about one in nine, closes its node."""

_ELEMENT_KINDS = bytes((Kind.BLOB, Kind.VALUE))
_CHILD = LINK_HEAD + bytes((Kind.LIST,))
_STRIDE = 36
_SHORT = 38  # a child with a count of one byte
_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


class Leaf(NamedTuple):
    """A node of level 0: the links of its elements as 33 bytes each."""

    raws: tuple[bytes, ...]

    @property
    def level(self) -> int:
        """The level of every leaf."""
        return 0

    @property
    def total(self) -> int:
        """The number of elements below the node."""
        return len(self.raws)

    @property
    def links(self) -> tuple[Link, ...]:
        """The elements."""
        return tuple(map(link_from_raw, self.raws))


class Inner(NamedTuple):
    """A node above the leaves: for each child the number of elements below it, and its link as 33 bytes."""

    level: int
    counts: tuple[int, ...]
    raws: tuple[bytes, ...]

    @property
    def total(self) -> int:
        """The number of elements below the node, as the node itself claims."""
        return sum(self.counts)

    @property
    def children(self) -> tuple[tuple[int, Link], ...]:
        """The children, each with the number of elements below it."""
        return tuple(zip(self.counts, map(link_from_raw, self.raws), strict=True))


Node = Leaf | Inner


def closes(position: int, raw: bytes) -> bool:
    """True if the item with this link, taken as the `position`-th of its node (from 1), closes the node."""
    return position >= LEAST and (position >= MOST or raw[1:5] < BOUNDARY)


def leaf_body(raws: Sequence[bytes]) -> bytes:
    """The body of the leaf over these links."""
    if not raws:
        return b"\x92\x00\x90"
    return b"\x92\x00" + array_head(len(raws)) + LINK_HEAD + LINK_HEAD.join(raws)


def inner_body(level: int, counts: Sequence[int], raws: Sequence[bytes]) -> bytes:
    """The body of the inner node over these children."""
    parts = [b"\x92", bytes((level,)), array_head(len(raws))]
    for count, raw in zip(counts, raws, strict=True):
        parts += (b"\x92", pack_int(count), LINK_HEAD, raw)
    return b"".join(parts)


def decode_node(body: bytes) -> Node:
    """Return the node of a list body, strictly, as it can be read alone. Raises Refused.

    What only the other nodes of the list can show is left to `lists.check_structure`.
    """
    if body[:2] == b"\x92\x00":
        return _decode_leaf(body)
    if body[:1] == b"\x92" and 1 <= (body[1] if len(body) > 1 else 0) <= TOP_LEVEL:
        return _decode_inner(body)
    raise _bad("it is no pair of a level from 0 to 16 and an array")


def leaf_raws(body: bytes) -> tuple[bytes, ...]:
    """Return the links of the body of a leaf that was verified when it entered the store."""
    size, at = _head(body)
    return _cutter(size)(body, at)


def _decode_leaf(body: bytes) -> Leaf:
    size, at = _head(body)
    if len(body) != at + size * _STRIDE:
        raise _bad("the items do not fill the body")
    raws = _cutter(size)(body, at)
    if (body[at::_STRIDE], body[at + 1 :: _STRIDE], body[at + 2 :: _STRIDE]) != _leaf_heads(size):
        raise _bad("an element is no link")
    if body[at + 3 :: _STRIDE].translate(None, _ELEMENT_KINDS):
        raise _bad("an element links to neither a value nor a blob", kind="bad-link")
    found: Leaf = _new(Leaf, (raws,))
    return found


@cache
def _leaf_heads(size: int) -> tuple[bytes, ...]:
    """Return the bytes that stand before so many links, each as often as there are links."""
    return tuple(bytes((head,)) * size for head in LINK_HEAD)


@cache
def _cutter(size: int) -> Callable[[bytes, int], tuple[bytes, ...]]:
    """Return what takes so many links, at most 64, out of a body, without their heads."""
    return Struct("3x33s" * size).unpack_from


def _decode_inner(body: bytes) -> Inner:
    size, at = _head(body)
    if not size:
        raise _bad("an inner node has no children")
    if len(body) == at + size * _SHORT:
        counts = body[at + 1 :: _SHORT]
        heads = tuple(body[at + place :: _SHORT] for place in (0, 2, 3, 4, 5))
        if heads == _short_heads(size) and min(counts) and max(counts) < 0x80:  # counts of one byte each: all stands at fixed places
            found: Inner = _new(Inner, (body[1], tuple(counts), _short_cutter(size)(body, at)))
            return found
    return _decode_children(body, size, at)


@cache
def _short_heads(size: int) -> tuple[bytes, ...]:
    """Return the bytes that stand before the counts and links of so many children, each as often as there are children."""
    return tuple(bytes((head,)) * size for head in (0x92, *_CHILD))


@cache
def _short_cutter(size: int) -> Callable[[bytes, int], tuple[bytes, ...]]:
    """Return what takes the links of so many children, at most 64, out of a body."""
    return Struct("5x33s" * size).unpack_from


def _decode_children(body: bytes, size: int, at: int) -> Inner:
    counts, raws = [], []
    for _ in range(size):
        if body[at : at + 1] != b"\x92":
            raise _bad("a child is no pair of a count and a link")
        count, at = _count(body, at + 1)
        raw = body[at + 3 : at + _STRIDE]
        if body[at : at + 4] != _CHILD or len(raw) != 33:
            raise _bad("a child is no link to a list node", kind="bad-link")
        counts.append(count)
        raws.append(raw)
        at += _STRIDE
    if at != len(body):
        raise _bad("bytes are left over")
    if sum(counts) > MAX_ELEMENTS:
        raise _bad("it claims more than 2**32 elements", kind="limit-exceeded")
    return Inner(body[1], tuple(counts), tuple(raws))


def _head(body: bytes) -> tuple[int, int]:
    """Return the number of items and where the first one starts."""
    lead = body[2] if len(body) > 2 else 0
    if lead & 0xF0 == 0x90:
        return lead & 0x0F, 3
    size = int.from_bytes(body[3:5], "big")
    if lead != 0xDC or not 16 <= size <= MOST:
        raise _bad("it holds no array of at most 64 items")
    return size, 5


def _count(body: bytes, at: int) -> tuple[int, int]:
    """Return the count that starts at `at` and where it ends."""
    lead = body[at] if at < len(body) else 0
    if 1 <= lead < 0x80:
        return lead, at + 1
    end = at + 1 + _WIDTHS.get(lead, 0)
    count = int.from_bytes(body[at + 1 : end], "big")
    if not 1 <= count <= MAX_ELEMENTS or body[at:end] != pack_int(count):
        raise _bad("a count is no number from 1 to 2**32 in its shortest form")
    return count, end


def _bad(fact: str, *, kind: str = "bad-list") -> Refused:
    return Refused(f"not a node of a list: {fact}", kind=kind)
