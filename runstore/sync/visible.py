"""Views: what of a store a peer may know of and build on.

A peer with a view learns of no object that its refs do not reach, neither by asking whether it is here nor by linking to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Protocol

from runstore import refs
from runstore.model.ids import Kind, Link
from runstore.model.objects import raws_of
from runstore.runs.absence import absence
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

    def promises(self, reader: Reader, raw: bytes) -> bool:
        """True if the object with this raw link is not here because it was left out or erased, and the peer may know that."""


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

    def promises(self, reader: Reader, raw: bytes) -> bool:
        """True if the object is known not to be here."""
        return _is_absent(reader, raw)


class Reachable:
    """The view over the refs that `visible` allows: what they lead to, and nothing else. Used by one thread; see `Shared`.

    What was walked is remembered as bitmaps; when refs move on, only what is new is walked. When one is gone or was forced back, and after
    a rewrite of the store, the walk begins anew.
    """

    def __init__(self, visible: Callable[[str], bool]) -> None:
        self._visible = visible
        self._forget(-1)

    def _forget(self, generation: int) -> None:
        self.marks = Marks()
        self.absent: set[bytes] = set()
        self._rows: dict[bytes, bytes] = {}
        self._moment = b""
        self._generation = generation

    def holds(self, reader: Reader, link: Link) -> bool:
        """True if the object is here and reachable."""
        return _holds(reader, self.marks, link)

    def has(self, reader: Reader, key: bytes) -> bool:
        """True if an object of this id is here and reachable."""
        return _has(reader, self.marks, key)

    def promises(self, reader: Reader, raw: bytes) -> bool:
        """True if something reachable links to the object, and it is not here."""
        return raw in self.absent and _is_absent(reader, raw)

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
        tips: list[Link] = []
        for old, new in refs.changed(reader, self._rows):
            if new is not None and self._visible(new.name):
                tips.append(new.target)
            if old is not None and self._visible(old.name) and (new is None or not _goes_on(reader, old.target, new.target)):
                return False
        mark_reachable(reader, tips, self.marks, self.absent)
        return True


class Shared:
    """A `Reachable` for many threads: each call takes its own `view`, which keeps what it saw when it was brought up to date."""

    def __init__(self, visible: Callable[[str], bool]) -> None:
        self._reachable = Reachable(visible)
        self._lock = Lock()

    def view(self) -> View:
        """Return a view for one call."""
        return _Glance(self._reachable, self._lock)


class _Glance:
    """What one call sees: the bitmaps that belong to its snapshot, whatever other calls do to the shared ones meanwhile."""

    def __init__(self, reachable: Reachable, lock: Lock) -> None:
        self._reachable = reachable
        self._lock = lock
        self._marks = Marks()
        self._absent: set[bytes] = set()

    def update(self, reader: Reader) -> None:
        """Follow the refs as they stand in a snapshot."""
        with self._lock:
            self._reachable.update(reader)
            # Both only grow; where something has to go, the shared view begins new ones and leaves these to us.
            self._marks, self._absent = self._reachable.marks, self._reachable.absent

    def holds(self, reader: Reader, link: Link) -> bool:
        """True if the object is here and reachable."""
        return _holds(reader, self._marks, link)

    def has(self, reader: Reader, key: bytes) -> bool:
        """True if an object of this id is here and reachable."""
        return _has(reader, self._marks, key)

    def promises(self, reader: Reader, raw: bytes) -> bool:
        """True if something reachable links to the object, and it is not here."""
        return raw in self._absent and _is_absent(reader, raw)


def _holds(reader: Reader, marks: Marks, link: Link) -> bool:
    found = reader.find(link.id)
    return found is not None and found[1].kind == link.kind and found[0] in marks


def _has(reader: Reader, marks: Marks, key: bytes) -> bool:
    address = reader.address(key)
    return address is not None and address in marks


def _is_absent(reader: Reader, raw: bytes) -> bool:
    known = absence(reader, raw[1:])
    return known is not None and known.link.raw == raw


def _goes_on(reader: Reader, old: Link, new: Link) -> bool:
    """True if the new target leads to the old one, as far as this snapshot knows."""
    return old == new or (old.kind == Kind.EXECUTION and reader.address(old.id) is not None and is_ancestor(reader, old.id, [new.id]))


def mark_reachable(reader: Reader, tips: Iterable[Link], marks: Marks, absent: set[bytes] | None = None) -> None:
    """Mark all that the tips lead to, and note raw links to what is not here. What is marked already is not walked again."""
    lacking = set() if absent is None else absent
    todo = [tip.raw for tip in tips]
    while todo:
        raw = todo.pop()
        found = reader.find(raw[1:])
        if found is None:
            lacking.add(raw)
        elif marks.add(found[0]) and found[1].kind != Kind.BLOB:
            todo += raws_of(found[1].kind, found[1].body)
