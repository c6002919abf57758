"""What a receiver has to remember of an object: a few bits, packed into one number. Pure.

Facts of list nodes are what docs/spec/identity.md, section 4 lets a parent demand of its child.
"""

from __future__ import annotations

from typing import Any

from runstore.errors import Refused
from runstore.model.ids import Kind
from runstore.model.nodes import LEAST, Inner, Leaf, closes
from runstore.model.settings import is_normal

PRESENT = 1  # came with the transfer
LINKED = 2  # something that came links to it
AS_ROOT = 4  # linked to as a whole list
ORDERED = 8  # lies in a frame that leads only to frames before it, and to what is here
ENDS = 16  # a list node that is closed by its last item, and so is its last child, down to the leaf
VALUES = 32  # a list node with nothing but values below it
SINGLE = 64  # an inner node with one child
KNOWN = 128  # what can be demanded of the object was found out
NORMAL = 256  # a value that is settings in normal form
RUN = 512  # a tree that states all core slots
_LEVEL = 10
_VALUE = int(Kind.VALUE)
_TOTAL = 16


def level_of(facts: int) -> int:
    """Return the level of a list node."""
    return facts >> _LEVEL & 0x1F


def total_of(facts: int) -> int:
    """Return the number of elements below a list node."""
    return facts >> _TOTAL


def value_facts(value: Any) -> int:
    """Return the facts of a decoded value."""
    if type(value) is dict and len(value) > 1:
        first, second, *_ = value
        if first > second:  # as in most messages
            return KNOWN
    return KNOWN | NORMAL if is_normal(value) else KNOWN


def leaf_facts(node: Leaf) -> int:
    """Check a leaf alone and return its facts. Raises Refused."""
    raws = node.raws
    size = len(raws)
    found = KNOWN | size << _TOTAL
    if size >= LEAST:
        check_closing(raws)
        if closes(size, raws[-1]):
            found |= ENDS
    # An element is a value or a blob, whose code is smaller.
    return found | VALUES if not size or min(raws)[0] == _VALUE else found


def inner_facts(node: Inner, children: list[int]) -> int:
    """Check an inner node against the facts of its children and return its own. Raises Refused."""
    raws = node.raws
    check_closing(raws)
    last = len(raws) - 1
    values = VALUES
    for number, (below, child) in enumerate(zip(node.counts, children, strict=True)):
        if level_of(child) != node.level - 1:
            raise _wrong(f"is of level {node.level} and has a child of level {level_of(child)}")
        if not total_of(child) or total_of(child) != below:
            raise _wrong(f"claims {below} elements below a child that has {total_of(child)}")
        if number < last and not child & ENDS:
            raise _wrong(f"has a child ({number}) that is not closed and not the last")
        values &= child
    ends = ENDS if closes(len(raws), raws[-1]) and children[-1] & ENDS else 0
    return KNOWN | node.level << _LEVEL | node.total << _TOTAL | values | ends | (SINGLE if not last else 0)


def check_closing(raws: tuple[bytes, ...]) -> None:
    """Raise Refused if an item of a node, but the last, closes it."""
    for place in range(LEAST, len(raws)):
        if closes(place, raws[place - 1]):
            raise _wrong(f"goes on after item {place}, which closes it")


def _wrong(fact: str) -> Refused:
    return Refused(f"this node of a list {fact}", kind="bad-list-structure")
