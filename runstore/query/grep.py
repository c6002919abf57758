"""grep: a regular expression over the texts of executions, with the place where it stands.

Searched are the strings in prompt, tools, documents, history and output, and text given as bytes; not the keys of maps (but for the
names of a schema's properties), and not `role` and `type`. Every object is searched once, whole list nodes at a time, however many
executions share it; every execution in which it stands is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from runstore.errors import InvalidInput
from runstore.model.encoding import decode_trusted
from runstore.model.ids import Kind, Link, link_from_raw
from runstore.model.nodes import Inner, Leaf, decode_node
from runstore.model.trees import Slot, decode_tree_trusted
from runstore.query.content import decoded, strings
from runstore.query.near import near_hint
from runstore.query.order import Entry
from runstore.query.paths import Fetch, render_path
from runstore.store.protocol import Store

PLACES = ("prompt", "tools", "documents", "history", "output")
PORTION = 32
_SKIPPED = ("role", "type")


class Match(NamedTuple):
    """One line in which the expression stands: in which execution, and where in it.

    `place` is `slot/position.path`, which a revision takes after its `:`; `line` the whole line and `number` its number in the text (from
    1); `start` and `end` say where in the line the first match stands, and `object` is the object that holds the text.
    """

    entry: Entry
    slot: str
    position: int | None
    path: str
    place: str
    number: int
    line: str
    start: int
    end: int
    object: Link


class _Hit(NamedTuple):
    """A match in one object, wherever that object stands."""

    path: tuple[str | int, ...]
    number: int
    line: str
    start: int
    end: int


Found = tuple[tuple[int, bytes], ...]  # positions in a list, and the elements there that hold a match


def grep(
    entries: Iterable[Entry], fetch: Fetch, pattern: str, places: Iterable[str] = PLACES, *, ignore_case: bool = False
) -> Iterator[Match]:
    """Yield the matches in executions, in the order given, lazily. Raises InvalidInput for a bad pattern or an unknown place."""
    searcher = _Searcher(_compiled(pattern, ignore_case), fetch)
    wanted = _places(places)
    return (match for entry in entries for match in searcher.matches(entry, wanted))


def search(
    store: Store, entries: Iterable[Entry], pattern: str, places: Iterable[str] = PLACES, *, ignore_case: bool = False
) -> Iterator[Match]:
    """Yield the matches in a log of the store, as `grep` does, reading each portion of it in a snapshot of its own."""
    expression, wanted = _compiled(pattern, ignore_case), _places(places)
    return _in_portions(store, iter(entries), expression, wanted)


def _in_portions(store: Store, entries: Iterator[Entry], expression: re.Pattern[str], places: list[str]) -> Iterator[Match]:
    searcher: _Searcher | None = None
    while portion := list(islice(entries, PORTION)):
        with store.read() as reader:
            searcher = searcher or _Searcher(expression, reader.get)
            searcher.fetch = reader.get
            found = [match for entry in portion for match in searcher.matches(entry, places)]
        yield from found


def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None)
        where = "" if at is None else f" at character {at + 1}"
        reason = getattr(error, "msg", str(error))
        hint = r"the syntax is that of Python's re; \ before a sign takes it literally"
        raise InvalidInput(f"the expression {pattern[:80]!r} cannot be read{where}: {reason}", hint=hint, kind="bad-regex") from error


def _places(places: Iterable[str]) -> list[str]:
    given = list(places)
    for place in given:
        if place not in PLACES:
            hint = near_hint(place, PLACES, f"places are {', '.join(PLACES)}")
            raise InvalidInput(f"{place[:40]!r} is no place to search", hint=hint, kind="bad-place")
    return [place for place in PLACES if place in given]


class _Searcher:
    """Searches objects, and remembers by id what it found."""

    def __init__(self, pattern: re.Pattern[str], fetch: Fetch) -> None:
        self._pattern = pattern
        # A text is searched whole first, where `^` and `$` hold at every line; what else looks beyond a line makes each be searched.
        self._quick = re.compile(pattern.pattern, pattern.flags | re.MULTILINE)
        self._alone = any(sign in pattern.pattern for sign in (r"\A", r"\Z", "(?"))
        self.fetch = fetch
        self._hits: dict[bytes, tuple[_Hit, ...]] = {}
        self._nodes: dict[bytes, tuple[int, Found]] = {}

    def matches(self, entry: Entry, places: list[str]) -> Iterator[Match]:
        """Yield the matches in one execution."""
        run = entry.execution.run
        if run is None:
            return
        slots: dict[str, Slot] = decode_tree_trusted(self.fetch(run.id).body) if places != ["output"] else {}
        for name in places:
            link = entry.execution.output if name == "output" else slots.get(name)
            if isinstance(link, Link):
                yield from self._in_slot(entry, name, link)

    def _in_slot(self, entry: Entry, slot: str, link: Link) -> Iterator[Match]:
        if link.kind == Kind.LIST:
            for index, raw in self._in_list(link.raw):
                yield from self._reports(entry, slot, index, link_from_raw(raw))
        elif link.kind in (Kind.VALUE, Kind.BLOB):
            yield from self._reports(entry, slot, None, link)

    def _reports(self, entry: Entry, slot: str, index: int | None, link: Link) -> Iterator[Match]:
        start: tuple[str | int, ...] = (slot,) if index is None else (slot, index)
        for hit in self._in_object(link.raw):
            place = render_path((*start, *hit.path))
            yield Match(entry, slot, index, render_path(hit.path), place, hit.number, hit.line, hit.start, hit.end, link)

    def _in_list(self, root: bytes) -> Found:
        """Return where in a list elements hold a match. Lists that share nodes share the work."""
        waiting: list[tuple[bytes, Inner | None]] = [(root, None)]
        while waiting:
            raw, opened = waiting.pop()
            if opened is not None:
                self._nodes[raw] = self._joined(opened)
            elif raw not in self._nodes:
                node = decode_node(self.fetch(raw[1:]).body)
                if isinstance(node, Leaf):
                    found = tuple((at, element) for at, element in enumerate(node.raws) if self._in_object(element))
                    self._nodes[raw] = (len(node.raws), found)
                else:
                    waiting.append((raw, node))
                    waiting.extend((child, None) for child in node.raws)
        return self._nodes[root][1]

    def _joined(self, node: Inner) -> tuple[int, Found]:
        """Return what was found below a node whose children were all searched."""
        found: list[tuple[int, bytes]] = []
        before = 0
        for child in node.raws:
            size, inside = self._nodes[child]
            found.extend((before + at, element) for at, element in inside)
            before += size
        return before, tuple(found)

    def _in_object(self, raw: bytes) -> tuple[_Hit, ...]:
        found = self._hits.get(raw)
        if found is None:
            found = self._hits[raw] = tuple(self._search(raw))
        return found

    def _search(self, raw: bytes) -> Iterator[_Hit]:
        body = self.fetch(raw[1:]).body
        if raw[0] == Kind.BLOB:
            text = decoded(body)
            if text is not None:
                yield from self._lines((), text)
            return
        value = decode_trusted(body)
        if isinstance(value, Link) and value.kind == Kind.BLOB:  # how bytes stand in a list
            yield from self._in_object(value.raw)
            return
        for path, text in strings(value, skip=_SKIPPED):
            yield from self._lines(path, text)

    def _lines(self, path: tuple[str | int, ...], text: str) -> Iterator[_Hit]:
        if self._quick.search(text) is None and not self._alone:
            return
        for number, line in enumerate(text.split("\n"), 1):
            match = self._pattern.search(line)
            if match is not None:
                yield _Hit(path, number, line, match.start(), match.end())
