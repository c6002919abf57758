"""Writing the derived tables: for each object stored, the rows that lead back to it.

The same function serves one add, an import and a rebuild, so that a rebuilt index equals a grown one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from runstore.errors import Damaged
from runstore.model.encoding import decode_trusted, encode
from runstore.model.executions import Execution, decode_execution_trusted
from runstore.model.ids import Kind, Link, Object, object_id
from runstore.model.objects import execution_raws, links_of, raws_of
from runstore.model.slots import is_run, request_id
from runstore.model.trees import UNKNOWN, Slot, decode_tree_trusted, links_in_tree
from runstore.runs.absence import absence, any_absent, arrive
from runstore.runs.generations import Near, generation_row, generations, rebuild_generations
from runstore.runs.tables import (
    GENERATIONS,
    INDEX_STATE,
    INDEX_VERSION,
    PREFIX_BYTES,
    REFERRERS,
    REQUEST_RUNS,
    RESPONSES,
    RUN_EXECUTIONS,
    SESSIONS,
    TABLES,
    TIMES,
    WINDOW_SHIFT,
)
from runstore.store.protocol import ADDRESS_BYTES, Reader, Writer

_TIME_BIAS = 1 << 63
_REMEMBERED = 100_000
_MOST_PLACES = 300_000
# As plain numbers: looking a kind up by its name takes longer than comparing it.
_BLOB, _TREE, _EXECUTION = int(Kind.BLOB), int(Kind.TREE), int(Kind.EXECUTION)
_LEFT_OUT = (_TREE, _EXECUTION)
_NOTHING: Mapping[bytes, Any] = MappingProxyType({})


class Added:
    """The rows for links that one `add` wrote."""

    __slots__ = ("rows", "stands")

    def __init__(self) -> None:
        self.rows: set[bytes] = set()
        self.stands = False

    def committed(self) -> None:
        """Say that the transaction was committed."""
        self.stands = True


class Indexer:
    """Adds rows for new objects, and remembers which rows are committed so as not to add them again.

    Threads may share it: all but `Added.committed` happens inside their transactions, one after another.
    """

    def __init__(self) -> None:
        self._generation = -1
        self._committed: set[bytes] = set()
        self._added = Added()
        self._window = -1
        self._seen: set[bytes] = set()  # what has a row for a link from this window
        self._ancestry: dict[bytes, int] = {}  # generations of executions, as long as nothing is known to be absent

    def add(
        self,
        writer: Writer,
        new: Iterable[tuple[int, Object]],
        located: dict[bytes, int] | None = None,
        decoded: Mapping[bytes, Any] = _NOTHING,
        linked: Mapping[bytes, Sequence[bytes]] = _NOTHING,
    ) -> Added:
        """Add the rows for objects that `put` has just stored. Call `committed` of what is returned once the transaction stands.

        `located` holds addresses of this transaction by id, for several calls in it: what was found is added to it. `decoded`
        has executions and the slots of trees, and `linked` the links of trees and lists, by id, where the caller has them at hand.
        """
        partial, late = any_absent(writer), False
        self._begin(writer, partial)
        places = _Places(writer, {} if located is None else located)
        known = places.known
        tables: defaultdict[str, list[bytes]] = defaultdict(list)
        window, links = -1, set[bytes]()  # what is linked to from one window is looked up at once
        executions: dict[int, tuple[bytes, Near]] = {}
        for address, obj in new:
            kind, name, body = obj
            known[name] = address
            if partial and arrive(writer, address, obj):
                late = late or kind == _EXECUTION
            if kind == _BLOB:
                continue
            raws: Sequence[bytes]
            if kind == _EXECUTION:
                execution = decoded.get(name) or decode_execution_trusted(body)
                _execution_rows(writer, address, execution, tables, places)
                near, raws = _execution_links(execution)
                executions[address] = name, near
            elif kind == _TREE:
                slots = decoded.get(name)
                if slots is None:
                    raws, answered = links_in_tree(body)
                else:
                    raws = linked[name] if name in linked else raws_of(kind, body)
                    answered = slots.get("runtime", UNKNOWN) is not UNKNOWN
                if answered:
                    _request_rows(address, slots or decode_tree_trusted(body), tables)
            else:
                raws = linked[name] if name in linked else raws_of(kind, body)
            if raws:
                if address >> WINDOW_SHIFT != window:
                    self._referrer_rows(window, links, places)
                    window, links = address >> WINDOW_SHIFT, set()
                links.update(raws)
        self._referrer_rows(window, links, places)
        if executions:
            tables[GENERATIONS.name] = self._generation_rows(writer, executions, places)
        if self._added.rows:
            tables[REFERRERS.name] = list(self._added.rows)
        for table, rows in tables.items():
            writer.add_rows(table, rows)
        if late:  # what is below has come after what is above it
            self._ancestry.clear()
            rebuild_generations(writer)
        return self._added

    def _begin(self, writer: Writer, partial: bool) -> None:
        # Another thread may have committed the last transaction and not yet said so: then its rows are just not remembered.
        clean = self._added.stands
        if writer.generation != self._generation or len(self._committed) > _REMEMBERED:
            self._generation, self._committed, clean = writer.generation, set(), False
        elif clean:
            self._committed |= self._added.rows
        if not clean or partial or len(self._ancestry) > _REMEMBERED:
            self._ancestry = {}
        if not clean:
            self._window = -1
        self._added = Added()

    def _referrer_rows(self, number: int, links: set[bytes], places: _Places) -> None:
        """Add the rows for what is linked to from one window."""
        if not links:
            return
        if number != self._window:
            self._window, self._seen = number, set()
        window, seen = number.to_bytes(ADDRESS_BYTES, "big"), self._seen
        for raw in links - seen:
            name = raw[1:]
            place = places.known.get(name) or places.find(name)
            if place:
                seen.add(raw)
                row = place.to_bytes(ADDRESS_BYTES, "big") + window
                if row not in self._committed:
                    self._added.rows.add(row)

    def _generation_rows(self, writer: Writer, executions: dict[int, tuple[bytes, Near]], places: _Places) -> list[bytes]:
        """Return the rows of `generations` for new executions: where all that they stand on is remembered, without a look at the table."""
        ancestry = self._ancestry
        rows: list[bytes] = []
        for address, (name, near) in executions.items():
            below = [ancestry.get(one, 0) for one in near]
            if 0 in below:
                break
            ancestry[name] = generation = 1 + max(below, default=0)
            rows.append(generation_row(address, generation))
        else:
            return rows
        found = generations(writer, {at: ids for at, (_, ids) in executions.items()}, places.find)
        ancestry.update((name, found[address]) for address, (name, _) in executions.items())
        return [generation_row(address, generation) for address, generation in found.items()]


class _Places:
    """Addresses by id: those of this transaction first, else the store's; for what is known not to be here, the one that stands for it."""

    __slots__ = ("_locate", "_reader", "known")

    def __init__(self, reader: Reader, known: dict[bytes, int]) -> None:
        self._reader = reader
        self._locate = reader.address
        self.known = known

    def find(self, id: bytes) -> int | None:
        """Return where an object lies, or its stand-in; None for what is lost."""
        found = self.known.get(id)
        if found is None:
            found = self._locate(id)
            if found is None:
                known = absence(self._reader, id)
                return None if known is None else known.address
            if len(self.known) >= _MOST_PLACES:
                self.known.clear()
            self.known[id] = found
        return found


def indexed_links(obj: Object) -> list[Link]:
    """Return the links whose targets get a row in `referrers`: all, but for an execution's run and parents.

    A run's executions have a table of their own, and parents are followed by the log.
    """
    links = links_of(obj.kind, obj.body)
    if obj.kind == Kind.EXECUTION:
        return [link for link in links if link.kind not in _LEFT_OUT]
    return links


def rebuild(writer: Writer) -> None:
    """Fill the derived tables from all objects that can be read, as if each had just been added."""
    try:
        _rebuild(writer, writer.objects())
    except Damaged:
        _rebuild(cast("Writer", _Sound(writer)), writer.sound(lambda lost: None))


def _rebuild(writer: Writer, objects: Iterable[tuple[int, Object]]) -> None:
    for table in TABLES:
        if table.derived:
            writer.clear(table.name)
    indexer = Indexer()
    portion: list[tuple[int, Object]] = []
    for item in objects:
        portion.append(item)
        if len(portion) == 4096:
            indexer.add(writer, portion).committed()
            portion = []
    indexer.add(writer, portion)
    mark_current(writer)


class _Sound:
    """A writer to whom what is damaged is not there."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def address(self, id: bytes) -> int | None:
        try:
            return self._writer.address(id)
        except Damaged:
            return None


def mark_current(writer: Writer) -> None:
    """Write down that the derived tables have this version's form."""
    writer.set_value(INDEX_STATE.name, b"version", INDEX_VERSION.to_bytes(4, "big"))


def text_prefix(text: str) -> bytes:
    """Return the 8 bytes under which a text (a session, a response id) stands in the tables."""
    return object_id(Kind.VALUE, encode(text).body)[:PREFIX_BYTES]


def scope_prefix(scope: str) -> bytes:
    """Return the 8 bytes under which a scope stands among the sessions: those of a value that no session is."""
    return object_id(Kind.VALUE, encode(["scope", scope]).body)[:PREFIX_BYTES]


def time_key(microseconds: int) -> bytes:
    """Return a time as 8 bytes that sort as the times do."""
    return (microseconds + _TIME_BIAS).to_bytes(8, "big")


def _execution_links(execution: Execution) -> tuple[Near, list[bytes]]:
    """Return the ids of the executions that one links to, and its other links but for its run, as 33 bytes each."""
    if execution.usage or execution.notes or execution.extra:
        raws = execution_raws(execution)
        return tuple([raw[1:] for raw in raws if raw[0] == _EXECUTION]), [raw for raw in raws if raw[0] not in _LEFT_OUT]
    near = execution.parents if execution.cause is None else (*execution.parents, execution.cause)
    links = (execution.output, execution.response, execution.wire)
    return tuple([link.id for link in near]), [link.raw for link in links if link is not None]


def _execution_rows(writer: Writer, address: int, execution: Execution, tables: defaultdict[str, list[bytes]], places: _Places) -> None:
    end = address.to_bytes(ADDRESS_BYTES, "big")
    if execution.run is not None:
        run = places.find(execution.run.id)
        if run is not None:
            tables[RUN_EXECUTIONS.name].append(run.to_bytes(ADDRESS_BYTES, "big") + end)
    if execution.started is not None:
        tables[TIMES.name].append(time_key(execution.started) + end)
    for note, prefix in (("session", text_prefix), ("scope", scope_prefix)) if execution.notes else ():
        text = execution.notes.get(note) if execution.notes else None
        if isinstance(text, str):
            tables[SESSIONS.name].append(prefix(text) + end)
    response = response_id(writer, execution.response)
    if response is not None:
        tables[RESPONSES.name].append(text_prefix(response) + end)


def response_id(reader: Reader, response: Link | None) -> str | None:
    """Return the provider's id of a response: the text under `id` of an execution's `response`, where there is one."""
    if response is None or response.kind != Kind.VALUE or reader.address(response.id) is None:
        return None
    value = decode_trusted(reader.get(response.id).body)
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _request_rows(address: int, slots: Mapping[str, Slot], tables: defaultdict[str, list[bytes]]) -> None:
    # Where the runtime is unknown the request id is the run id, and needs no row.
    if is_run(slots) and slots["runtime"] is not UNKNOWN:
        tables[REQUEST_RUNS.name].append(request_id(slots)[:PREFIX_BYTES] + address.to_bytes(ADDRESS_BYTES, "big"))
