"""Views: what of a store a peer may know of and build on.

A peer with a view learns of no object that its refs do not reach, neither by asking whether it is here nor by linking to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from runstore import refs
from runstore.model.ids import Kind, Link
from runstore.model.objects import raws_of
from runstore.store.protocol import Reader
from runstore.sync.ancestry import is_ancestor
from runstore.sync.marks import Marks


class View(Protocol):
    """What a peer may see. Given a snapshot each time, so that one view serves many calls."""

    def update(self, reader: Reader) -> None:
        """Follow the refs as they stand in a snapshot. Called before the snapshot is asked about."""

    def holds(self, reader: Reader, link: Link) -> bool:
        """True if the object of this kind and id is here and visible."""

    def has(self, reader: Reader, key: bytes) -> bool:
        """True if an object of this id is here and visible."""


class Everything:
    """The view of a peer that could read the store's files anyway."""

    def update(self, reader: Reader) -> None:
        """Nothing to follow."""

    def holds(self, reader: Reader, link: Link) -> bool:
        """True if the object is here."""
        found = reader.find(link.id)
        return found is not None and found[1].kind == link.kind

    def has(self, reader: Reader, key: bytes) -> bool:
        """True if an object of this id is here."""
        return reader.address(key) is not None


class Reachable:
    """The view over the refs that `visible` allows: what they lead to, and nothing else.

    What was walked is remembered as bitmaps; when refs move on, only what is new is walked. When one is gone or was forced back, and after
    a rewrite of the store, the walk begins anew. Threads share one with a lock around it.
    """

    def __init__(self, visible: Callable[[str], bool]) -> None:
        self._visible = visible
        self._forget(-1)

    def _forget(self, generation: int) -> None:
        self._marks = Marks()
        self._rows: dict[bytes, bytes] = {}
        self._moment = b""
        self._generation = generation

    def holds(self, reader: Reader, link: Link) -> bool:
        """True if the object is here and reachable."""
        found = reader.find(link.id)
        return found is not None and found[1].kind == link.kind and found[0] in self._marks

    def has(self, reader: Reader, key: bytes) -> bool:
        """True if an object of this id is here and reachable."""
        address = reader.address(key)
        return address is not None and address in self._marks

    def update(self, reader: Reader) -> None:
        """Follow the refs as they stand in a snapshot."""
        moment = refs.moment(reader)
        if reader.generation == self._generation and moment == self._moment:
            return
        if reader.generation != self._generation or not self._follow(reader):
            self._forget(reader.generation)
            self._follow(reader)
        self._moment = moment

    def _follow(self, reader: Reader) -> bool:
        """Mark what is new; False if something that was reached may not be any more."""
        tips: list[bytes] = []
        for old, new in refs.changed(reader, self._rows):
            if new is not None and self._visible(new.name):
                tips.append(new.target.id)
            if old is not None and self._visible(old.name) and (new is None or not is_ancestor(reader, old.target.id, [new.target.id])):
                return False
        mark_reachable(reader, tips, self._marks)
        return True


def mark_reachable(reader: Reader, tips: Iterable[bytes], marks: Marks) -> None:
    """Mark all that the tips lead to. What is marked already is not walked again; what is not here is passed over."""
    todo = list(tips)
    while todo:
        found = reader.find(todo.pop())
        if found is not None and marks.add(found[0]) and found[1].kind != Kind.BLOB:
            todo += [raw[1:] for raw in raws_of(found[1].kind, found[1].body)]
