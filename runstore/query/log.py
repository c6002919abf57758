"""The log: executions that are reached from refs, newest first.

Order. An execution comes before its parents; among those that this leaves open, the one that started later comes first (one without a
time last, a merge as late as the latest that it joins), then the one recorded later. What it costs: an execution that stands alone at
the front, as in a log of one ref, is given out at once; where several wait, the walk reads ahead by AHEAD executions, so that the first
entries cost no more in a large store than in a small one. The order is therefore exact unless a clock was wrong by more than AHEAD
executions of other refs.

With `since`, `run`, `session` or `scope` the walk ends as soon as the indexes say that nothing more can come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from runstore import refs
from runstore.errors import Damaged
from runstore.model.executions import Execution, decode_execution_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.query.filters import Filter, Matcher, Where, parse_where
from runstore.query.order import AHEAD, Entry, Order, Tip, between
from runstore.query.revisions import as_range, resolve, to_execution, to_run, to_target
from runstore.runs.absence import absence, any_absent
from runstore.runs.generations import generation_at
from runstore.runs.index import time_key
from runstore.runs.lookup import executions_in_scope, executions_in_session, executions_of
from runstore.runs.tables import TIME_BYTES, TIMES, is_current
from runstore.store.protocol import Reader, Store

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["AHEAD", "Entry", "Filter", "Tip", "Where", "between", "filter_of", "log", "parse_where", "tips", "walk"]

PORTION = 256
_NEIGHBOURS = 6  # bits of an address: two executions of 64 addresses are neighbours
_MOST_NEAR = 4096
_EXECUTION = int(Kind.EXECUTION)
_COUNTED = 100_000


def log(
    store: Store, revisions: Iterable[str] = (), wanted: Filter | None = None, *, now: int, zone: tzinfo | None = None
) -> Iterator[Entry]:
    """Yield the wanted executions of some revisions, ranges among them; without revisions of all local refs.

    Errors in the revisions and the filter are raised at once. The log is read in portions, each in a snapshot of its own that ends
    before the portion is given out: whoever reads slowly keeps no old pages of the store alive.
    """
    with store.read() as reader:
        source = _Source(reader)
        begin, hidden = tips(reader, revisions, now=now, zone=zone)
        entries = _entries(source, begin, wanted or Filter(), hidden)
    return _portions(store, source, entries)


def filter_of(reader: Reader, asked: Mapping[str, Any], *, now: int, zone: tzinfo | None = None) -> Filter:
    """Return the filter that its fields, given as people write them, ask for.

    Times, revisions (`run`, `against`) and conditions (`where`, one or several) may be texts; what is none is taken as it is. Raises what
    reading them raises.
    """
    found = dict(asked)
    for name in ("since", "until"):
        if isinstance(found.get(name), str):
            from runstore.query.dates import parse_time

            found[name] = parse_time(found[name], now=now, zone=zone)
    for name, meant in (("run", _run_or_request), ("against", _compared)):
        if isinstance(found.get(name), str):
            found[name] = to_target(reader, resolve(reader, found[name], now=now, zone=zone).link)
        if isinstance(found.get(name), Link):
            found[name] = meant(reader, found[name])
    conditions = found.get("where", ())
    if isinstance(conditions, str):
        conditions = (conditions,)
    found["where"] = tuple(parse_where(one) if isinstance(one, str) else one for one in conditions)
    return Filter(**found)


def _compared(reader: Reader, target: Link) -> Link:
    return target if target.kind == Kind.EXECUTION else to_run(reader, target)


def _run_or_request(reader: Reader, target: Link) -> bytes:
    """Return the id of a tree as it is, since one that is not stored is a request's, and of an execution that of its run."""
    return target.id if target.kind == Kind.TREE else to_run(reader, target).id


def walk(reader: Reader, begin: Iterable[Tip], wanted: Filter | None = None, *, hidden: Iterable[Link] = ()) -> Iterator[Entry]:
    """Yield the executions that are reached from `begin` and wanted, in the order of the log, merges included.

    `hidden` and all that stands before it is left out. Lazy: what is not asked for is not read. Raises InvalidInput for a filter
    that nothing can fit, NotFound or Damaged where the log cannot be read on.
    """
    source = _Source(reader)
    return _entries(source, begin, wanted or Filter(), hidden)


def tips(reader: Reader, revisions: Iterable[str] = (), *, now: int, zone: tzinfo | None = None) -> tuple[list[Tip], list[Link]]:
    """Return where a log of these revisions begins, and the executions whose past it leaves out (`a` of `a..b`).

    Without revisions: every local ref, heads and tags, that leads to an execution. Raises what `resolve` raises, and NotFound for a
    revision that names no execution.
    """
    named = list(revisions)
    if not named:
        return list(_local(reader)), []
    found: list[Tip] = []
    hidden: list[Link] = []
    for text in named:
        ends = as_range(text)
        if ends is not None:
            hidden.append(_execution(reader, ends[0], now, zone).link)
        found.append(_execution(reader, ends[1] if ends else text, now, zone))
    return found, hidden


class _Source:
    """Where a walk reads. The snapshot may be changed between two entries, since executions never change."""

    __slots__ = ("_address", "_back", "_generation", "_last", "_missed", "_name", "_near", "_partial", "reader")

    def __init__(self, reader: Reader) -> None:
        self._name, self._address = b"", 0
        self._last = Execution()
        self._back = False  # true once the walk goes from the tips to parents
        self._forget(reader)
        self.use(reader)

    def _forget(self, reader: Reader) -> None:
        self._generation = reader.generation
        self._near: dict[bytes, tuple[int, Object]] = {}
        self._missed: set[int] = set()

    def use(self, reader: Reader) -> None:
        """Read in a snapshot from now on."""
        if reader.generation != self._generation or len(self._near) > _MOST_NEAR:  # all lies elsewhere now, or much was taken for nothing
            self._forget(reader)
        self.reader = reader
        self._partial = any_absent(reader)

    def get(self, id: bytes) -> Object:
        return self.reader.get(id)

    def load(self, link: Link) -> Execution:
        """Return an execution. The last one is remembered: a filter that looks at the parent loads what the walk loads next."""
        name = link.id
        if name == self._name:
            return self._last
        near = self._near.pop(name, None)
        address, obj = near or self._find(link)
        if obj.kind != _EXECUTION:
            raise Damaged(f"{link} is a {obj.link.kind.label} in the store", hint="`runstore fsck` tells the extent")
        self._last = found = decode_execution_trusted(obj.body)
        self._name, self._address = name, address
        return found

    def _find(self, link: Link) -> tuple[int, Object]:
        """Look an execution up; with the second one from a neighbourhood, take all of its segment: the rest will mostly be asked for."""
        address, obj = self.reader.find(link.id) or self._not_here(link)
        if self._back:
            neighbourhood = address >> _NEIGHBOURS
            if neighbourhood in self._missed:
                self._near.update([(found.id, (place, found)) for place, found in self.reader.beside(address)])
            else:
                self._missed.add(neighbourhood)
        return address, obj

    def _not_here(self, link: Link) -> tuple[int, Object]:
        return 0, self.reader.get(link.id)  # raises what there is to say

    def address(self, link: Link) -> int:
        return self._address if link.id == self._name else self.reader.address(link.id) or 0

    def parents(self, execution: Execution) -> Sequence[Link]:
        """Return the parents of an execution, less those that a partial clone left out."""
        self._back = True
        if not self._partial:
            return execution.parents
        return [link for link in execution.parents if absence(self.reader, link.id) is None]

    def generation(self, link: Link) -> int | None:
        address = self.reader.address(link.id)
        return None if address is None else generation_at(self.reader, address)


def _portions(store: Store, source: _Source, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Give out the entries of a walk, reading some at a time; the first one soon, then more and more at once."""
    size = 16
    while True:
        with store.read() as reader:
            source.use(reader)
            portion = list(islice(entries, size))
        yield from portion
        if len(portion) < size:
            return
        size = min(2 * size, PORTION)


def _entries(source: _Source, begin: Iterable[Tip], wanted: Filter, hidden: Iterable[Link]) -> Iterator[Entry]:
    start = list(begin)
    order = Order(source.load, source.address, source.parents)
    stop = between(order.load, source.generation, [tip.link for tip in start], list(hidden), source.parents)
    entries = order.entries(start, stop)
    entries = _until_all_seen(source.reader, entries, wanted)
    if wanted != Filter(limit=wanted.limit):
        matcher = Matcher(wanted, source.get, order.load)
        entries = (entry for entry in entries if matcher.fits(entry.execution))
    return entries if wanted.limit is None else islice(entries, max(wanted.limit, 0))


def _until_all_seen(reader: Reader, entries: Iterator[Entry], wanted: Filter) -> Iterator[Entry]:
    """End a log once the index says that no more executions of a session, a scope, a run, or since a time, are to come."""
    session, scope, run, since = wanted.session, wanted.scope, wanted.run, wanted.since
    if not is_current(reader):
        return entries
    if session is not None:
        return _count_off(
            entries, _number(executions_in_session(reader, session)), lambda found: (found.notes or {}).get("session") == session
        )
    if scope is not None:
        return _count_off(entries, _number(executions_in_scope(reader, scope)), lambda found: (found.notes or {}).get("scope") == scope)
    if run is not None and reader.address(run) is not None and not _is_request(reader, run):
        return _count_off(entries, _number(executions_of(reader, run)), lambda found: found.run is not None and found.run.id == run)
    if since is not None:
        return _count_off(entries, _number(_rows_since(reader, since)), lambda found: found.started is not None and found.started >= since)
    return entries


def _count_off(entries: Iterator[Entry], expected: int | None, counts: Callable[[Execution], bool]) -> Iterator[Entry]:
    """Pass the entries on until as many as expected were among them; all of them where None is expected."""
    left = expected
    while left != 0:
        entry = next(entries, None)
        if entry is None:
            return
        yield entry
        if left is not None and counts(entry.execution):
            left -= 1


def _number(found: Iterator[object]) -> int | None:
    """Return how many there are; None if so many that counting them would take longer than it saves."""
    number = sum(1 for _ in islice(found, _COUNTED))
    return number if number < _COUNTED else None


def _rows_since(reader: Reader, since: int) -> Iterator[bytes]:
    first = time_key(since)
    for row in reader.rows(TIMES.name, reverse=True):
        if row[:TIME_BYTES] < first:
            return
        yield row


def _is_request(reader: Reader, run: bytes) -> bool:
    """True if other runs may have this id as their request id."""
    from runstore.model.trees import UNKNOWN, decode_tree_trusted

    return decode_tree_trusted(reader.get(run).body).get("runtime") is UNKNOWN


def _local(reader: Reader) -> Iterator[Tip]:
    for prefix in ("heads/", "tags/"):
        for ref in refs.each(reader, prefix):
            link = to_target(reader, ref.target)
            if link.kind == Kind.EXECUTION:
                yield Tip(link, refs.short_name(ref.name))


def _execution(reader: Reader, text: str, now: int, zone: tzinfo | None) -> Tip:
    found = resolve(reader, text, now=now, zone=zone)
    ref = refs.short_name(found.ref) if found.ref else None
    return Tip(to_execution(reader, found.link), ref)
