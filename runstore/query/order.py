"""The order of the log: an execution before its parents, newest first among those that this leaves open.

Pure but for `load`, which brings an execution. What it costs is told in query.log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heappushpop
from typing import Any, NamedTuple

from runstore.model.executions import Execution
from runstore.model.ids import Link

AHEAD = 128
_NEVER = -(1 << 63)
_LAST = -_NEVER

Load = Callable[[Link], Execution]
Generation = Callable[[Link], int | None]
Parents = Callable[[Execution], Sequence[Link]]


def _all_parents(execution: Execution) -> Sequence[Link]:
    return execution.parents


class Tip(NamedTuple):
    """Where a log begins: an execution, and the short name of the ref that led to it, if one did."""

    link: Link
    ref: str | None = None


class Entry(NamedTuple):
    """One execution of a log, with the short names of the refs from which it was reached, sorted."""

    link: Link
    execution: Execution
    refs: tuple[str, ...]


_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


class _Node:
    """An execution that was met and not given out: `waiting` counts the children that were read and not given out."""

    __slots__ = ("_joined", "execution", "link", "names", "parents", "waiting")

    def __init__(self, link: Link, execution: Execution, names: tuple[str, ...]) -> None:
        self.link = link
        self.execution = execution
        self.waiting = 0
        self.parents: Sequence[Link] | None = None  # once it was read
        self.names = names  # the refs from which the execution was reached; where lines meet, those are sorted when they are told
        self._joined: set[str] | None = None  # thousands of refs may stand on one execution

    def told(self) -> tuple[str, ...]:
        """Return the refs from which the execution was reached so far, sorted."""
        if self._joined is not None:
            self.names, self._joined = tuple(sorted(self._joined)), None
        return self.names

    def join(self, names: tuple[str, ...]) -> None:
        """Say that these refs reach the execution too."""
        if self._joined is not None:
            self._joined.update(names)
        elif not self.names:
            self.names = names
        elif names != self.names:
            self._joined = {*self.names, *names}


# A node and its rank: by time, by address, then by a number of its own, so that nodes are never compared.
_Place = tuple[int, int, int, _Node]


class _Queue:
    """Nodes by rank. The one put in last is kept in hand: along a line it is the next to be taken, and no place is sought for it."""

    __slots__ = ("_hand", "_heap")

    def __init__(self, places: Iterable[_Place] = ()) -> None:
        self._heap = sorted(places)
        self._hand: _Place | None = None

    def put(self, place: _Place) -> None:
        hand = self._hand
        if hand is not None:
            heappush(self._heap, hand)
        self._hand = place

    def take(self) -> _Node | None:
        """Return the first one, which is no longer in; None if none is."""
        hand = self._hand
        if hand is None:
            return heappop(self._heap)[3] if self._heap else None
        self._hand = None
        return heappushpop(self._heap, hand)[3]


class Order:
    """Puts executions in the order of the log. A node is ready when no child of it that was read is still to come."""

    def __init__(self, load: Load, address: Callable[[Link], int], parents: Parents = _all_parents) -> None:
        """`parents` gives those parents of an execution that are here."""
        self._load = load
        self._address = address
        self._parents = parents
        self._met: dict[bytes, _Place] = {}
        self._given: set[bytes] = set()
        self._ready = _Queue()
        self._unread = _Queue()
        self._ahead = 0
        self._numbered = 0
        self._stop: set[bytes] = set()

    def load(self, link: Link) -> Execution:
        """Return an execution, from what was met if it is there."""
        place = self._met.get(link.id)
        return self._load(link) if place is None else place[3].execution

    def entries(self, begin: Iterable[Tip], stop: set[bytes]) -> Iterator[Entry]:
        """Yield everything that is reached from `begin` without entering `stop`."""
        self._stop = stop
        for tip in begin:
            names = (tip.ref,) if tip.ref else ()
            place = self._met.get(tip.link.id) or self._meet(tip.link, names)
            if place is not None:
                place[3].join(names)
        self._ready = _Queue(self._met.values())
        while self._met:
            if len(self._met) == 1:
                yield from self._line()
                continue
            node = self._next()
            yield _new(Entry, (node.link, node.execution, node.names))

    def _line(self) -> Iterator[Entry]:
        """Give out executions as long as each is the only one at hand: all that is left lies behind it, so there is no order to find."""
        ((_, _, _, node),) = self._met.values()
        self._ready, self._unread, self._ahead, self._given = _Queue(), _Queue(), 0, set()
        link, execution, names = node.link, node.execution, node.told()
        while True:
            yield _new(Entry, (link, execution, names))
            parents = [parent for parent in self._parents(execution) if parent.id not in self._stop]
            if len(parents) != 1:
                break
            (link,) = parents
            execution = self._load(link)
        self._met = {}
        for parent in parents:
            met = self._meet(parent, names)
            if met is not None:
                self._ready.put(met)

    def _next(self) -> _Node:
        """Give out the first of those that are ready, once enough was read ahead."""
        while self._ahead < AHEAD and (node := self._unread.take()) is not None:
            if node.parents is None:
                self._read(node)
        met, ready = self._met, self._ready
        while True:
            node = ready.take()
            assert node is not None  # of what was met, something waits for nobody
            name = node.link.id
            if not node.waiting and name in met:
                break
        if node.parents is None:
            self._read(node)
        del met[name]
        self._given.add(name)
        self._ahead -= 1
        names = node.told()
        for link in node.parents or ():
            place = met.get(link.id)
            if place is not None:
                parent = place[3]
                if parent.names:
                    parent.join(names)
                else:
                    parent.names = names
                parent.waiting -= 1
                if not parent.waiting:
                    ready.put(place)
        return node

    def _read(self, node: _Node) -> None:
        """Meet the parents of a node that was not read, and let them wait for it."""
        node.parents = parents = self._parents(node.execution)
        self._ahead += 1
        for link in parents:
            name = link.id
            place = self._met.get(name)
            # One that was given out already came before its child: nothing is left to be mended.
            if place is None and name not in self._given:
                place = self._meet(link, ())
            if place is not None:
                place[3].waiting += 1

    def _meet(self, link: Link, names: tuple[str, ...]) -> _Place | None:
        name = link.id
        if name in self._stop:
            return None
        execution = self._load(link)
        started = execution.started if execution.run is not None else self._time(execution)
        self._numbered = number = self._numbered + 1
        place = (_LAST if started is None else -started, -self._address(link), number, _Node(link, execution, names))
        self._met[name] = place
        self._unread.put(place)
        return place

    def _time(self, execution: Execution) -> int:
        """Return when the latest of what a merge joins started: it has no time of its own."""
        times, merges, seen = [_NEVER], [execution], set[bytes]()
        while merges:
            for link in self._parents(merges.pop()):
                if link.id not in seen:
                    seen.add(link.id)
                    joined = self.load(link)
                    if joined.run is None:
                        merges.append(joined)
                    elif joined.started is not None:
                        times.append(joined.started)
        return max(times)


def between(load: Load, generation: Generation, begin: list[Link], hidden: list[Link], parents: Parents = _all_parents) -> set[bytes]:
    """Return the ids at which a walk from `begin` has to stop so that it leaves out `hidden` and all before it.

    Goes down both sides, the largest generation first, until all that is left is hidden: generations fall along parents, so whatever
    could hide an execution was met before it. Where a generation is not known, the whole past of `hidden` is walked.
    """
    if not hidden:
        return set()
    stop = {link.id for link in hidden}
    met: set[bytes] = set()
    waiting: list[tuple[int, Link]] = []
    open_ids: set[bytes] = set()  # met, waiting and not hidden so far
    for link in (*hidden, *begin):
        if link.id in met:
            continue
        number = generation(link)
        if number is None:
            return _past(load, parents, hidden)
        met.add(link.id)
        heappush(waiting, (-number, link))
        if link.id not in stop:
            open_ids.add(link.id)
    while open_ids:
        _, link = heappop(waiting)
        open_ids.discard(link.id)
        for parent in parents(load(link)):
            if link.id in stop:
                stop.add(parent.id)
                open_ids.discard(parent.id)
            if parent.id not in met:
                number = generation(parent)
                if number is None:
                    return _past(load, parents, hidden)
                met.add(parent.id)
                heappush(waiting, (-number, parent))
                if parent.id not in stop:
                    open_ids.add(parent.id)
    return stop


def _past(load: Load, parents: Parents, links: list[Link]) -> set[bytes]:
    """Return the ids of these executions and of all before them."""
    past: set[bytes] = set()
    waiting = list(links)
    while waiting:
        link = waiting.pop()
        if link.id not in past:
            past.add(link.id)
            waiting.extend(parents(load(link)))
    return past
