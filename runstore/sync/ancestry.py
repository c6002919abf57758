"""Walks over executions: what is new between two sets of them, and who is whose ancestor. The cost follows what differs.

Both stop by generation (runs/generations.py). Executions that are not here (promised, or never fetched) end a walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from runstore.model.executions import decode_execution_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.objects import links_of
from runstore.runs.generations import Near, generation_at, near
from runstore.store.protocol import Reader

_WANTED, _HAD = 1, 2
ROUND, _ROUNDS = 64, 8  # how many ids a question names, and how many are asked


class New(NamedTuple):
    """What `difference` found: new executions, descendants first, new tags, and what else was wanted; the executions that are had and that
    new ones link to (`boundary`); and what is not here.
    """

    executions: list[Object]
    tags: list[Object]
    contents: list[Link]
    boundary: list[bytes]
    absent: list[bytes]


def generation_of(reader: Reader, key: bytes) -> int | None:
    """Return an execution's generation, or None if it is not here. One that the table does not know counts as 0: walked last."""
    address = reader.address(key)
    return None if address is None else generation_at(reader, address) or 0


def difference(reader: Reader, wanted: Iterable[bytes], had: Iterable[bytes] = ()) -> New:
    """Return what the wanted executions and tags lead to (over parents, causes and targets) and the had ones do not.

    Unknown ids in `had` are ignored; unknown ones in `wanted` are returned as absent.
    """
    walk = _Walk(reader)
    known = _follow_tags(reader, had)
    for key in known.executions:
        walk.visit(key, _HAD)
    new = _follow_tags(reader, wanted, {tag.id for tag in known.tags})
    for key in new.executions:
        walk.visit(key, _WANTED)
    return walk.run(new)


class _Followed(NamedTuple):
    executions: list[bytes]
    tags: list[Object]
    contents: list[Link]
    absent: list[bytes]


def _follow_tags(reader: Reader, ids: Iterable[bytes], passed: Iterable[bytes] = ()) -> _Followed:
    """Split ids into executions, tags and others, and add the executions and tags that the tags lead to."""
    found = _Followed([], [], [], [])
    seen = set(passed)
    todo = list(ids)
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        if reader.address(key) is None:
            found.absent.append(key)
            continue
        obj = reader.get(key)
        if obj.kind == Kind.EXECUTION:
            found.executions.append(key)
        elif obj.kind == Kind.TAG:
            found.tags.append(obj)
            todo += [link.id for link in links_of(obj.kind, obj.body) if link.kind in (Kind.EXECUTION, Kind.TAG)]
        else:
            found.contents.append(obj.link)
    return found


class _Walk:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._queue: list[tuple[int, bytes]] = []
        self._state: dict[bytes, int] = {}
        self._done: set[bytes] = set()
        self._open = 0  # queued, and wanted but not had
        self._absent: list[bytes] = []

    def visit(self, key: bytes, side: int) -> None:
        """Mark an execution as reached from a side, and queue it if that is news."""
        before = self._state.get(key)
        if before is None:
            generation = generation_of(self._reader, key)
            if generation is None:
                if side == _WANTED:
                    self._absent.append(key)
                return
            self._state[key] = side
            heappush(self._queue, (-generation, key))
            self._open += side == _WANTED
        elif before | side != before and key not in self._done:
            # Where generations are not known, one may have been given out already: then too much is sent, never too little.
            self._open -= before == _WANTED
            self._state[key] = before | side

    def run(self, tops: _Followed) -> New:
        """Visit by falling generation until nothing is left that is wanted and not had."""
        found: list[Object] = []
        below_new: dict[bytes, None] = {}
        while self._open:
            _, key = heappop(self._queue)
            obj = self._reader.get(key)
            side = self._state[key]
            self._done.add(key)
            below = near(links_of(obj.kind, obj.body))
            if side == _WANTED:
                self._open -= 1
                found.append(obj)
                below_new.update(dict.fromkeys(below))
            for one in below:
                self.visit(one, side & _HAD or _WANTED)
        boundary = [key for key in below_new if self._state.get(key, 0) & _HAD]
        return New(found, tops.tags, tops.contents, boundary, list(dict.fromkeys(tops.absent + self._absent)))


def is_ancestor(reader: Reader, ancestor: bytes, descendants: Iterable[bytes]) -> bool:
    """True if one of the descendants is the ancestor, or leads to it over parents. Raises NotFound if the ancestor is not here."""
    floor = generation_of(reader, ancestor)
    if floor is None:
        reader.get(ancestor)
    seen: set[bytes] = set()
    todo = list(descendants)
    while todo:
        key = todo.pop()
        if key == ancestor:
            return True
        if key in seen:
            continue
        seen.add(key)
        generation = generation_of(reader, key)
        if generation is not None and (floor is None or generation > floor or not generation):
            todo += parents_of(reader, key)
    return False


def parents_of(reader: Reader, key: bytes) -> Near:
    """Return the ids of an execution's parents; nothing for an object of another kind."""
    obj = reader.get(key)
    if obj.kind != Kind.EXECUTION:
        return ()
    return tuple(link.id for link in decode_execution_trusted(obj.body).parents)


def spaced(reader: Reader, tips: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the tips, then ancestors of each along first parents at the distances 1, 2, 4, 8, ..., each execution once."""
    seen: set[bytes] = set()
    ends: list[tuple[bytes, int, int]] = []  # where a walk stands, how far from its tip, and how many steps come next
    for tip in tips:
        if tip not in seen and reader.address(tip) is not None:
            seen.add(tip)
            ends.append((tip, 0, 1))
            yield tip
    while ends:
        following: list[tuple[bytes, int, int]] = []
        for key, covered, step in ends:
            at: bytes | None = key
            for _ in range(step):
                at = _first_parent(reader, at)
                if at is None or at in seen:
                    break
            if at is not None and at not in seen:
                seen.add(at)
                following.append((at, covered + step, covered + step))
                yield at
        ends = following


def known_there(reader: Reader, tips: Iterable[bytes], has: Callable[[list[bytes]], Iterable[bool]]) -> list[bytes]:
    """Ask a peer for the tips and for ancestors ever farther back until it knows some; return those, nothing if it knows none."""
    walk = spaced(reader, tips)
    for _ in range(_ROUNDS):
        asked = list(islice(walk, ROUND))
        known = [one for one, flag in zip(asked, has(asked), strict=True) if flag] if asked else []
        if known or len(asked) < ROUND:
            return known
    return []


def _first_parent(reader: Reader, key: bytes | None) -> bytes | None:
    if key is None:
        return None
    parents = parents_of(reader, key)
    return parents[0] if parents and reader.address(parents[0]) is not None else None


class Ancestry:
    """Who is whose ancestor over a store and a transfer that is not stored yet: `parents` gives the parents of its executions."""

    def __init__(self, reader: Reader, parents: Mapping[bytes, Near]) -> None:
        self._reader = reader
        self._parents = parents
        self._heights: dict[bytes, int] = {}

    def is_ancestor(self, ancestor: bytes, descendants: Iterable[bytes]) -> bool:
        """True if one of the descendants is the ancestor, or leads to it over parents."""
        stored = self._reader.address(ancestor) is not None
        floor = 0 if stored else self._height(ancestor)
        below: list[bytes] = []
        seen: set[bytes] = set()
        todo = list(descendants)
        while todo:
            key = todo.pop()
            if key == ancestor:
                return True
            if key in seen:
                continue
            seen.add(key)
            parents = self._parents.get(key)
            if parents is None:
                below.append(key)
            elif stored or self._height(key) > floor:
                todo += parents
        # What is stored leads only to what is stored.
        return stored and is_ancestor(self._reader, ancestor, below)

    def _height(self, key: bytes) -> int:
        """Return how many executions of the transfer lie on the longest way down from one of them, itself included."""
        heights, parents = self._heights, self._parents
        todo = [key]
        while todo:
            at = todo[-1]
            missing = [one for one in parents.get(at, ()) if one in parents and one not in heights]
            if missing:
                todo += missing
                continue
            heights[at] = 1 + max((heights.get(one, 0) for one in parents.get(at, ())), default=0)
            todo.pop()
        return heights[key]
