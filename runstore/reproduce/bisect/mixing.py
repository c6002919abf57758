"""Values between two: each place in which they differ as the one or the other has it, all combinations of them. Pure.

A mix is made of nodes. Each place that can be chosen has a number, its atom; `mix(chosen)` gives the old value with the chosen atoms as
the new value has them. No atom gives the old value exactly, all of them the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class _Nothing:
    """Where one side has nothing."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Any = _Nothing()
"""The value of a place where a side has none."""

Chosen = frozenset[int]


class Node(Protocol):
    """A place in two values."""

    def mix(self, chosen: Chosen) -> Any:
        """Return what stands here, NOTHING if nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class Same:
    """A place where the two are the same."""

    value: Any

    def mix(self, chosen: Chosen) -> Any:
        """See `Node`."""
        return self.value


@dataclass(frozen=True, slots=True)
class Swap:
    """A place that is taken whole from one side; either may have NOTHING there."""

    atom: int
    old: Any
    new: Any

    def mix(self, chosen: Chosen) -> Any:
        """See `Node`."""
        return self.new if self.atom in chosen else self.old


@dataclass(frozen=True, slots=True)
class Row:
    """Places in a fixed order, put together by `join`: lines into a text, messages into a list."""

    items: Sequence[Node]
    join: Callable[[list[Any]], Any]

    def mix(self, chosen: Chosen) -> Any:
        """See `Node`."""
        made = (item.mix(chosen) for item in self.items)
        return self.join([value for value in made if value is not NOTHING])


@dataclass(frozen=True, slots=True)
class Keyed:
    """Places with names, whose order is a place of its own where it differs; put together by `join` from names and values."""

    nodes: Mapping[Hashable, Node]
    old_order: Sequence[Hashable]
    new_order: Sequence[Hashable]
    order: int | None
    join: Callable[[list[tuple[Any, Any]]], Any]

    def mix(self, chosen: Chosen) -> Any:
        """See `Node`."""
        names = self.new_order if self.order is None or self.order in chosen else self.old_order
        made = ((name, self.nodes[name].mix(chosen)) for name in names)
        return self.join([(name, value) for name, value in made if value is not NOTHING])


@dataclass(frozen=True, slots=True)
class Emptied:
    """A place that one side does not have, or states as absent: what is left when nothing of the other side is taken."""

    inner: Node
    empty: Any
    state: Any

    def mix(self, chosen: Chosen) -> Any:
        """See `Node`."""
        made = self.inner.mix(chosen)
        return self.state if made == self.empty else made


def merged(base: Sequence[Hashable], other: Sequence[Hashable]) -> list[Hashable]:
    """Return all names in the order of `base`; those of `other` alone stand behind the one that stands before them there."""
    known = {*base}
    behind: dict[Hashable | None, list[Hashable]] = {}
    before: Hashable | None = None
    for name in other:
        if name in known:
            before = name
        else:
            behind.setdefault(before, []).append(name)
    found = behind.get(None, [])
    for name in base:
        found.append(name)
        found.extend(behind.get(name, ()))
    return found
