"""One remembered list: the keys of its elements one after another, their links, its closed nodes, and the states handed out.

It only grows at its end, so a part that was made of its beginning stays right; a branch is a copy of the beginning.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from runstore.model.ids import Kind, Link, Object
from runstore.model.keys import KeyPacker, only_known_types
from runstore.model.lists import ListBuilder
from runstore.model.parts import Objects, Part

HEAD_BYTES = 64


class Element(NamedTuple):
    """An element of a list: its key (None if it has none) and its objects, the blobs first, its value last.

    `plain` says that the key is the value's body.
    """

    key: bytes | None
    objects: Objects
    plain: bool


class RememberedList:
    """The elements of a list so far. Not for two threads at once."""

    __slots__ = ("_builder", "_ends", "_keys", "_sizes", "_special", "_states", "_told", "head", "weight")

    def __init__(self) -> None:
        self._keys = bytearray()
        self.head = b""  # how the key of the first element begins: most lists are told apart by that
        self._ends = [0]
        self._builder = ListBuilder()
        self._special: dict[int, Objects] = {}  # elements whose body is not their key
        self._sizes: list[int] = []
        self._states: dict[int, Link] = {}
        self.weight = 0
        self._told = 0

    def __len__(self) -> int:
        return len(self._ends) - 1

    def begins_with(self, key: memoryview) -> bool:
        """True if this is the key of the first element."""
        return self._keys.startswith(key)

    def common(self, elements: Sequence[Any], packer: KeyPacker) -> int:
        """Return how many elements at the beginning are those remembered here. Raises what packing raises."""
        size = min(len(elements), len(self))
        given = elements if size == len(elements) else elements[:size]
        with packer.pack(given if type(given) is list else list(given)) as whole, whole[_head(size) :] as keys:
            if len(keys) != self._ends[size] or not self._keys.startswith(keys):
                size = self._common(keys, size)
        if self._special and not all(only_known_types(elements[place]) for place in self._special if place < size):
            return 0
        return size

    def _common(self, keys: memoryview, most: int) -> int:
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            # No key is the beginning of another, so equal bytes are equal elements.
            if self._keys.startswith(keys[: self._ends[middle]]):
                low = middle
            else:
                high = middle - 1
        return low

    def ends_with(self, size: int, element: Any, packer: KeyPacker) -> bool:
        """True if `element` is the last of the first `size` elements: one cheap look before all are compared."""
        start, end = self._ends[size - 1 : size + 1]
        with packer.pack(element) as key:
            return len(key) == end - start and self._keys.startswith(key, start)

    def take(self, element: Element) -> None:
        """Append an element."""
        key = element.key or b""
        if not element.plain:
            self._special[len(self)] = element.objects
            self.weight += sum(len(item.body) for item in element.objects)
        if not self.head:
            self.head = key[:HEAD_BYTES]
        self._keys += key
        self._ends.append(len(self._keys))
        self._builder.append(b"\x02" + element.objects[-1].id)
        self.weight += len(key) + 200  # the links, ends and shares of nodes, roughly

    def grown(self) -> int:
        """Return by how much the weight has grown since this was asked last."""
        grown = self.weight - self._told
        self._told = self.weight
        return grown

    def branch(self, size: int) -> RememberedList:
        """Return a list of the first `size` elements that can go on differently."""
        other = RememberedList()
        other._keys = self._keys[: self._ends[size]]
        other.head = self.head
        other._ends = self._ends[: size + 1]
        other._builder = self._builder.truncated(size)
        other._special = {place: objects for place, objects in self._special.items() if place < size}
        other._sizes = self._sizes[: bisect_right(self._sizes, size)]
        other._states = {number: self._states[number] for number in other._sizes}
        other.weight = len(other._keys) + 200 * size + sum(len(item.body) for objects in other._special.values() for item in objects)
        return other

    def part(self, size: int, fresh: Sequence[Element] = ()) -> Part:
        """Return the part of the first `size` elements, on the base of the longest shorter state that was handed out.

        `fresh` are the last of these elements, where they are at hand.
        """
        before = bisect_left(self._sizes, size)
        base = self._sizes[before - 1] if before else 0
        shorter = Part(self._states[base], partial(self.closure, base)) if base else None
        if size in self._states:  # recorded before: it may be into another store
            return Part(self._states[size], partial(self._since, base, size), shorter)
        state = self._builder.state(size, since=base or None)
        self._sizes.insert(before, size)
        self._states[size] = state.root
        objects = [item for place in range(base, size - len(fresh)) for item in self._objects(place)]
        for element in fresh:
            objects += element.objects
        return Part(state.root, (*objects, *state.nodes), shorter)

    def _since(self, base: int, size: int) -> Objects:
        """Return what the list of the first `size` elements has and that of the first `base` has not."""
        elements = [item for place in range(base, size) for item in self._objects(place)]
        return (*elements, *self._builder.state(size, since=base or None).nodes)

    def closure(self, size: int) -> Objects:
        """Return all objects of the list of the first `size` elements, each once."""
        found = {item.id: item for place in range(size) for item in self._objects(place)}
        return (*found.values(), *dict.fromkeys(self._builder.state(size).nodes))

    def _objects(self, place: int) -> Objects:
        special = self._special.get(place)
        if special is not None:
            return special
        body = bytes(self._keys[self._ends[place] : self._ends[place + 1]])
        return (Object(Kind.VALUE, self._builder.raws(place, place + 1)[0][1:], body),)


def _head(size: int) -> int:
    """The bytes of the header that the packer puts before so many elements."""
    return 1 if size < 16 else 3 if size < 1 << 16 else 5
