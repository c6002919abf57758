"""Selecting: the objects that new executions bring, found by comparing them with what the other side has, from the top.

Old and new are opened side by side, rank by rank: trees, then the nodes of lists by falling level, then values, then blobs. What stands on
both sides is closed again at once, with all below it. So two histories of a thousand messages that differ in the last are told
apart by a few nodes. What is shared in other ways is found to be had when the ids are offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from runstore.model.ids import Kind, Link, Object
from runstore.model.lists import decode_node
from runstore.model.objects import links_of
from runstore.runs.absence import absence
from runstore.store.protocol import Reader
from runstore.sync.ancestry import difference
from runstore.sync.marks import Marks
from runstore.sync.partial import Omission
from runstore.sync.whole import whole_store

_CHUNK = 256


class Selected(NamedTuple):
    """What goes over: the addresses of the objects; and the links that something sent holds to what was left out or is not here."""

    addresses: Marks
    promised: set[Link]


def select(reader: Reader, wanted: Iterable[bytes], had: Iterable[bytes] = (), omission: Omission | None = None) -> Selected:
    """Return all objects that the wanted executions and tags lead to, less most of what the had ones lead to, and less what is left out.

    Raises NotFound if something wanted is not here.
    """
    tops, known = list(wanted), list(had)
    if not known and not omission:
        everything = whole_store(reader, tops)
        if everything is not None:
            return Selected(everything, set())
    return Selection(reader, omission or Omission()).run(tops, known)


class Selection:
    """One selection at work. `seen` marks what was decided about, `chosen` what goes over."""

    def __init__(self, reader: Reader, omission: Omission) -> None:
        self._reader = reader
        self._omission = omission
        self._seen = Marks()
        self._chosen = Marks()
        self._promised: set[Link] = set()
        self._later: dict[bytes, None] = {}  # executions and tags found inside content

    def run(self, wanted: Sequence[bytes], had: Sequence[bytes]) -> Selected:
        """Select."""
        reader = self._reader
        for key in wanted:
            if reader.address(key) is None:
                reader.get(key)
        boundary: dict[bytes, None] = {}
        todo = list(wanted)
        while todo:
            new = difference(reader, todo, had)
            boundary.update(dict.fromkeys(new.boundary))
            for key in new.absent:
                self._not_here(Link(Kind.EXECUTION, key))
            executions, cut = self._omission.cut(new.executions, todo)
            self._promised.update(cut)
            self._contents([*new.tags, *reversed(executions)], boundary)
            if new.contents:
                _Descent(self, new.contents, ()).run()
            todo = [key for key in self._later if self._address(key) not in self._chosen]
            self._later = {}
        return Selected(self._chosen, {link for link in self._promised if self._is_left_out(link)})

    def _address(self, key: bytes) -> int:
        return self._reader.address(key) or 0

    def _is_left_out(self, link: Link) -> bool:
        address = self._reader.address(link.id)
        return address is None or address not in self._chosen

    def _contents(self, tops: Sequence[Object], boundary: Iterable[bytes]) -> None:
        old: set[Link] = set()
        for key in boundary:
            obj = self._reader.get(key)
            old.update(link for link in links_of(obj.kind, obj.body) if link.kind < Kind.EXECUTION)
        for start in range(0, len(tops), _CHUNK):
            new: dict[Link, None] = {}
            for obj in tops[start : start + _CHUNK]:
                if self._choose(obj):
                    new.update(dict.fromkeys(self._wanted_links(obj)))
            if new:
                _Descent(self, new, old).run()

    def _choose(self, obj: Object) -> bool:
        address = self._address(obj.id)
        self._seen.add(address)
        return self._chosen.add(address)

    def _wanted_links(self, obj: Object) -> list[Link]:
        """Return the links of a new object that are to be followed; note executions, tags and what is left out."""
        kept: list[Link] = []
        for link in self._omission.follow(obj, links_of(obj.kind, obj.body), self._promised):
            if link.kind < Kind.EXECUTION:
                kept.append(link)
            elif obj.kind != Kind.EXECUTION or link.kind == Kind.TAG:
                self._later[link.id] = None
        return kept

    def open(self, link: Link) -> Object | None:
        """Decide for an object that is new as far as is known; return it, or None if that was decided before or it is not here."""
        address = self._reader.address(link.id)
        if address is None:
            self._not_here(link)
            return None
        if not self._seen.add(address):
            return None
        if self._omission.leaves_out(link):
            self._promised.add(link)
            return None
        self._chosen.add(address)
        return self._reader.at(address)

    def _not_here(self, link: Link) -> None:
        """Note as promised what we know that somebody has. What is lost is not: who has it needs no promise, and others have to be told."""
        if absence(self._reader, link.id) is not None:
            self._promised.add(link)

    def pass_over(self, link: Link) -> None:
        """Note that an object is had, with all that it leads to."""
        address = self._reader.address(link.id)
        if address is not None:
            self._seen.add(address)

    def look(self, link: Link) -> Object | None:
        """Return an object of the old side, or None if it is not here."""
        return None if self._reader.address(link.id) is None else self._reader.get(link.id)


class _Descent:
    """Opens new and old links side by side."""

    def __init__(self, selection: Selection, new: Iterable[Link], old: Iterable[Link]) -> None:
        self._selection = selection
        self._new: list[dict[Link, None]] = [{} for _ in range(5)]
        self._old: list[dict[Link, None]] = [{} for _ in range(5)]
        for side, links in ((self._new, new), (self._old, old)):
            for link in links:
                side[link.kind][link] = None

    def run(self) -> None:
        """Go down from trees to blobs."""
        for kind in (Kind.TREE, Kind.LIST, Kind.VALUE, Kind.BLOB):
            if kind == Kind.LIST:
                self._lists()
                continue
            while self._new[kind]:
                new, old = self._drop_common(self._new, self._old, kind)
                for link in new:
                    obj = self._selection.open(link)
                    if obj is not None and kind != Kind.BLOB:
                        self._put(self._new, self._selection._wanted_links(obj))
                if self._new[kind] or kind != Kind.VALUE:
                    # Old values are not read: few lead to anything, and what they lead to shows when the ids are offered.
                    self._open_old(old)

    def _drop_common(self, new_side: list[dict[Link, None]], old_side: list[dict[Link, None]], kind: int) -> tuple[list[Link], list[Link]]:
        new, old = new_side[kind], old_side[kind]
        new_side[kind], old_side[kind] = {}, {}
        for link in new.keys() & old.keys():
            self._selection.pass_over(link)
        return [link for link in new if link not in old], [link for link in old if link not in new]

    def _open_old(self, links: Iterable[Link]) -> None:
        for link in links:
            if link.kind in (Kind.TREE, Kind.LIST):
                obj = self._selection.look(link)
                if obj is not None:
                    self._put(self._old, [found for found in links_of(obj.kind, obj.body) if found.kind < Kind.EXECUTION])

    def _put(self, side: list[dict[Link, None]], links: Iterable[Link]) -> None:
        for link in links:
            side[link.kind][link] = None

    def _lists(self) -> None:
        new, old = self._drop_common(self._new, self._old, Kind.LIST)
        new_levels, old_levels = _Levels(), _Levels()
        for link in new:
            obj = self._selection.open(link)
            if obj is not None:
                new_levels.put(obj)
        if not new_levels.count:
            return
        for link in old:
            found = self._selection.look(link)
            if found is not None:
                old_levels.put(found)
        while new_levels.count:
            self._level(new_levels, old_levels)

    def _level(self, new: _Levels, old: _Levels) -> None:
        level = max(new.top(), old.top())
        children = new.take(level)
        known = old.take(level)
        if not level:
            self._put(self._new, children)
            self._put(self._old, known)
            return
        for link in children.keys() & known.keys():
            self._selection.pass_over(link)
        for link in children:
            if link not in known:
                obj = self._selection.open(link)
                if obj is not None:
                    new.put(obj)
        for link in known:
            if link not in children:
                found = self._selection.look(link)
                if found is not None:
                    old.put(found)


class _Levels:
    """Opened list nodes by level: for each level the links that they hold."""

    def __init__(self) -> None:
        self._links: dict[int, dict[Link, None]] = {}
        self.count = 0

    def put(self, obj: Object) -> None:
        """Add the children of a node (elements, for a leaf)."""
        node = decode_node(obj.body)
        self._links.setdefault(node.level, {}).update((link, None) for link in links_of(obj.kind, obj.body))
        self.count = len(self._links)

    def top(self) -> int:
        """Return the highest level there is; -1 for none."""
        return max(self._links, default=-1)

    def take(self, level: int) -> dict[Link, None]:
        """Take out the links held by the nodes of a level."""
        found = self._links.pop(level, {})
        self.count = len(self._links)
        return found
