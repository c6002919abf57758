"""What was built is remembered by value, so that the next run of a conversation costs what is new in it.

A list is compared with the lists remembered by one call on its packed elements; what stood there before is neither encoded nor
hashed again, and a branch shares its beginning. Single values are looked up by their key. The memory is bounded by count and by
bytes, the least recently used goes first. Threads may share it; a child of a fork begins with an empty one.
Why this form: docs/design/0001-python-values.md.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from runstore.model.encoding import encode, pack_plain
from runstore.model.ids import Kind, Object, make_object
from runstore.model.keys import FAILURES, KeyPacker, only_known_types
from runstore.model.lists import build
from runstore.model.parts import Objects, Part
from runstore.model.remembered import HEAD_BYTES, Element, RememberedList
from runstore.model.settings import encode_settings
from runstore.model.slots import LIST_SLOTS, SETTINGS_SLOTS, VALUE_SLOTS

MAX_VALUES, MAX_VALUE_BYTES = 512, 16 << 20
MAX_LISTS, MAX_LIST_BYTES = 64, 64 << 20  # for each of the slots that hold lists
_ONE_VALUE = SETTINGS_SLOTS | VALUE_SLOTS
_CANDIDATES = 8  # lists that begin alike and are compared in full where none is simply continued


class Memory:
    """A bounded memory of values and lists. `value_part` and `list_part` give the ids and objects that an empty one would give."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._lock = threading.RLock()
        self._busy = False
        self._packer = KeyPacker()
        self._values: OrderedDict[tuple[bool, str | bytes], _Value] = OrderedDict()
        self._latest: dict[str, str | bytes] = {}
        self._weight = 0
        self._lists = {name: _Lists() for name in LIST_SLOTS}

    def value_part(self, value: Any, name: str, *, settings: bool) -> Part:
        """Return the part of one value, or of its settings. Raises InvalidInput and LimitExceeded, naming the place."""
        with self._lock:
            key = None if self._busy else self._key(value, name)  # busy: a subclass that builds a run while it is being read
            if key is None:
                return Part(*_build_value(value, name, settings=settings))
            known = self._values.get((settings, key))
            if known is not None and (known.plain or only_known_types(value)):
                self._values.move_to_end((settings, key))
                self._note(name, key)
                return known.part
            part = Part(*_build_value(value, name, settings=settings))
            if known is None and self._remember((settings, key), value, part):
                self._note(name, key)
            return part

    def _note(self, name: str, key: str | bytes) -> None:
        if name in _ONE_VALUE:
            self._latest[name] = key

    def _remember(self, key: tuple[bool, str | bytes], value: Any, part: Part) -> bool:
        # A text has one encoding, and so has what is packed as its key is.
        plain = type(value) is str or key[1] == part.objects[-1].body or pack_plain(value) is not None
        made = _Value(part, plain=plain)
        if made.weight <= MAX_VALUE_BYTES // 4 and (made.plain or only_known_types(value)):
            self._values[key] = made
            self._weight += made.weight
            while len(self._values) > MAX_VALUES or self._weight > MAX_VALUE_BYTES:
                self._weight -= self._values.popitem(last=False)[1].weight
            return True
        return False

    def _key(self, value: Any, name: str) -> str | bytes | None:
        """Return the key of a value. One that equals the last of its slot is that one, which keeps its own hash: nothing goes over it."""
        last = self._latest.get(name)
        if type(value) is str:
            key: str | bytes | None = last if type(last) is str and last == value else value
        else:
            self._busy = True
            try:
                key = self._packer.key(value, last)
            finally:
                self._busy = False
        return key

    def list_part(self, elements: Sequence[Any], name: str) -> Part:
        """Return the part of a list of values. Raises InvalidInput and LimitExceeded, naming the place (`history[3].content`).

        What is in no slot of a run (an answer) is not remembered.
        """
        with self._lock:
            lists = self._lists.get(name)
            if self._busy or lists is None or not elements:
                return _build_list(elements, name)
            self._busy = True
            try:
                return self._list_part(elements, name, lists)
            finally:
                self._busy = False

    def _list_part(self, elements: Sequence[Any], name: str, lists: _Lists) -> Part:
        try:
            found, kept = lists.find(elements, self._packer)
        except FAILURES:
            found, kept = None, 0
        fresh = [self._element(elements[place], f"{name}[{place}]") for place in range(kept, len(elements))]
        lasting = all(element.key is not None for element in fresh)
        if found is None:
            found = RememberedList()
        elif fresh and (kept < len(found) or not lasting):
            found = found.branch(kept)
        for element in fresh:
            found.take(element)
        part = found.part(len(elements), fresh)
        if lasting:
            lists.keep(found)
        return part

    def _element(self, value: Any, name: str) -> Element:
        body = pack_plain(value)
        if body is not None:
            return Element(body, (make_object(Kind.VALUE, body),), plain=True)
        encoded = encode(value, path=name)
        key = self._packer.key(value) if only_known_types(value) else None
        return Element(key, (*encoded.blobs, make_object(Kind.VALUE, encoded.body)), plain=key == encoded.body)


class _Value:
    """A remembered value. `plain` says that its key alone decides."""

    __slots__ = ("part", "plain", "weight")

    def __init__(self, part: Part, *, plain: bool) -> None:
        self.part = part
        self.plain = plain
        self.weight = 400 + 2 * sum(len(item.body) for item in part.objects)  # the key is about as long as the body


class _Lists:
    """The lists remembered for one slot, the most recent first."""

    def __init__(self) -> None:
        self._lists: list[RememberedList] = []
        self._weight = 0

    def find(self, elements: Sequence[Any], packer: KeyPacker) -> tuple[RememberedList | None, int]:
        """Return the list that shares the longest beginning with the elements, and how long it is. Raises FAILURES.

        A list that is simply continued, or that holds all the elements, is taken at once, the most recent first.
        """
        if self._lists and self._continues(self._lists[0], elements, packer):
            return self._lists[0], min(len(elements), len(self._lists[0]))
        with packer.pack(elements[0]) as key:
            head = key[:HEAD_BYTES].tobytes()
            alike = [known for known in self._lists if known.head == head and known.begins_with(key)]
        for known in alike:
            if known is not self._lists[0] and self._continues(known, elements, packer):
                return known, min(len(elements), len(known))
        shared = [(known.common(elements, packer), -place, known) for place, known in enumerate(alike[:_CANDIDATES])]
        kept, _, best = max(shared, default=(0, 0, None))
        return (best, kept) if kept else (None, 0)

    @staticmethod
    def _continues(known: RememberedList, elements: Sequence[Any], packer: KeyPacker) -> bool:
        size = min(len(elements), len(known))
        return known.ends_with(size, elements[size - 1], packer) and known.common(elements, packer) == size

    def keep(self, known: RememberedList) -> None:
        """Make a list the most recent one, and forget the oldest beyond the bounds."""
        lists = self._lists
        if not lists or lists[0] is not known:
            if known in lists:
                lists.remove(known)
            lists.insert(0, known)
        self._weight += known.grown()
        while len(lists) > MAX_LISTS or self._weight > MAX_LIST_BYTES:
            self._weight -= lists.pop().weight
            if not lists:
                return


def _build_value(value: Any, name: str, *, settings: bool) -> tuple[Any, Objects]:
    encoded = (encode_settings if settings else encode)(value, path=name)
    made = make_object(Kind.VALUE, encoded.body)
    return made.link, (*encoded.blobs, made)


def _build_list(elements: Sequence[Any], name: str) -> Part:
    objects: list[Object] = []
    raws = []
    for place, value in enumerate(elements):
        encoded = encode(value, path=f"{name}[{place}]")
        made = make_object(Kind.VALUE, encoded.body)
        objects += (*encoded.blobs, made)
        raws.append(b"\x02" + made.id)
    built = build(raws)
    return Part(built.root, (*objects, *built.nodes))


MEMORY = Memory()
"""The memory of this process."""

# A lock that another thread held at the fork would never be released in the child.
os.register_at_fork(after_in_child=MEMORY.forget)
