"""The border: nothing from a peer enters a store but through here.

The steps are numbered as in docs/spec/protocol.md, "Receiving". Each can only refuse; the last one stores. Meanwhile frames wait in a spool
beside the store. Memory follows the number of objects (a number each) and the largest frame, not the size of the transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from runstore.errors import Conflict, Refused
from runstore.model.ids import ID_BYTES, LINK_BYTES, Kind, Link, Object, link_from_raw
from runstore.runs.absence import PROMISED, mark_absent
from runstore.runs.index import Added, Indexer
from runstore.store.frames import Segment
from runstore.store.protocol import Reader, Store, Writer
from runstore.sync.ancestry import Ancestry
from runstore.sync.collector import held_back
from runstore.sync.frame import Frame, open_frame
from runstore.sync.inspection import Inspection
from runstore.sync.limits import Limits, Meter
from runstore.sync.progress import Progress, nothing
from runstore.sync.spool import Spool
from runstore.sync.visible import Everything, View

PORTION = 32 << 20
_BUFFERED = 8 << 20
_KEPT, _KEPT_OBJECTS = 16 << 20, 100_000
Answer = TypeVar("Answer")


def check_needs(reader: Reader, links: Iterable[Link], who: str) -> None:
    """Raise Refused unless the executions that a transfer builds on are here, with all that they lead to."""
    for link in links:
        if link.kind != Kind.EXECUTION or not Everything().holds(reader, link):
            raise Refused(
                f"{who} builds on {link}, which is not here", hint="bring that first, or make a bundle without --after", kind="prerequisite"
            )


class Received(NamedTuple):
    """What a transfer brought: objects and raw bytes in it, and how many objects were new here."""

    objects: int
    bytes: int
    new: int


class Receiver:
    """Takes one transfer: `take` every frame, then `inspect`, then `commit`; `close` in any case.

    `seconds` is a clock in seconds, for the limit on time. `progress(objects, bytes)` is told of each frame that
    comes, and of nothing new while they are checked. A spool that is resumed may hold frames already.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits,
        seconds: Callable[[], float],
        spool: Spool | None = None,
        view: View | None = None,
        progress: Progress = nothing,
    ) -> None:
        self._store = store
        self._limits = limits
        self._seconds = seconds
        self._until = seconds() + limits.seconds
        self._view = view or Everything()
        self._progress = progress
        self._promised: set[bytes] = set()
        self._inspected: Inspection | None = None
        self._ids: list[bytes] = []
        self._kept: list[list[Object]] = []
        self.spool = Spool() if spool is None else spool
        self.meter = Meter(limits)
        for header in self.spool.headers:
            self.meter.take(header)

    def take(self, frame: Frame) -> None:
        """Steps 1 and 2: check a frame's header against the limits, and keep the frame in quarantine. Raises Refused, Unavailable."""
        self.meter.take(frame.header)
        self._check_time()
        self.spool.add(frame)
        self._progress(frame.header.objects, frame.header.length)

    def promise(self, payload: bytes) -> None:
        """Note links to objects that the sender left out. Raises Refused."""
        if len(payload) % LINK_BYTES:
            raise Refused("links that are cut off", kind="bad-message")
        for at in range(0, len(payload), LINK_BYTES):
            raw = payload[at : at + LINK_BYTES]
            if not 1 <= raw[0] <= 6:
                raise Refused("a link with the code of no kind", kind="bad-link")
            self._promised.add(raw)
        if len(self._promised) > self._limits.objects:
            raise Refused(f"more than {self._limits.objects:,} promised objects", kind="limit-exceeded")

    def inspect(self, reader: Reader, roots: Iterable[Link]) -> Inspection:
        """Steps 3 to 9: check every frame, object, list, run and link. `roots` are what refs shall point at. Raises Refused."""
        inspection = Inspection(reader, self._view, lambda number: open_frame(self.spool.frame(number)), limits=self._limits)
        inspection.promised = self._promised
        with held_back():
            self._inspect(reader, inspection, roots)
        self._inspected = inspection
        return inspection

    def _inspect(self, reader: Reader, inspection: Inspection, roots: Iterable[Link]) -> None:
        for frame in self.spool.frames():
            self._check_time()
            self._progress(0, 0)  # nothing more has come, but something is being done
            inspection.keeps = self.meter.raw <= _KEPT and self.meter.objects <= _KEPT_OBJECTS
            found = inspection.take(open_frame(frame))
            if inspection.keeps:
                self._kept.append(found)
            else:
                self._ids.append(b"".join([obj.id for obj in found]))
        inspection.finish(roots)
        self._check_order(inspection)
        self._check_merges(reader, inspection)

    def _check_order(self, inspection: Inspection) -> None:
        """What leads to later frames goes into one transaction, and so into memory."""
        size = sum(self.spool.headers[number].length for number in inspection.unordered)
        if size > self._limits.unordered:
            raise Refused(
                f"{size:,} bytes of frames lead to objects that come after them; the most is {self._limits.unordered:,} here",
                hint="send an object after those that it links to, or push in parts",
                kind="limit-exceeded",
            )

    def _check_merges(self, reader: Reader, inspection: Inspection) -> None:
        ancestry = self.ancestry(reader, inspection)
        for merge in inspection.merges:
            parents = inspection.parents[merge]
            for parent in parents:
                self._check_time()
                if ancestry.is_ancestor(parent, [other for other in parents if other != parent]):
                    raise Refused(f"execution:{merge.hex()}: its parent {parent.hex()} is an ancestor of another", kind="bad-merge")

    def ancestry(self, reader: Reader, inspection: Inspection) -> Ancestry:
        """Return the ancestry over the store and the transfer together."""
        return Ancestry(reader, inspection.parents)

    def commit(self, move: Callable[[Writer], Answer], *, now: int, source: str = "") -> tuple[Answer, Received]:
        """Step 11: store the objects, their derived rows, and what `move` does with the refs, or nothing. Raises what `move` raises.

        One transaction; a transfer of more than 32 MiB of frames is stored in portions that are each closed under links, the refs in the
        last. `now` is microseconds since 1970 UTC; `source` names who promised what was left out.
        """
        assert self._inspected is not None, "inspect comes first"
        with held_back():
            return _Commit(self._store, self.spool, self._ids, self._kept, self._inspected, self.meter, source).run(move, now)

    def close(self, *, keep: bool = False) -> None:
        """Remove the quarantine; with `keep`, an upload with a name stays to be resumed. Idempotent."""
        self.spool.close(keep=keep)

    def _check_time(self) -> None:
        if self._seconds() > self._until:
            raise Refused(f"the transfer took more than {self._limits.seconds:,} seconds", kind="limit-time")


class _Commit:
    """Stores what was inspected."""

    def __init__(
        self, store: Store, spool: Spool, ids: list[bytes], kept: list[list[Object]], inspection: Inspection, meter: Meter, source: str
    ) -> None:
        self._store = store
        self._spool = spool
        self._ids = ids
        self._kept = kept
        self._inspection = inspection
        self._meter = meter
        self._source = source
        self._indexer = Indexer()
        self._added: Added | None = None
        self._new = 0
        self._located: dict[bytes, int] = {}
        self._generation = inspection.generation

    def run(self, move: Callable[[Writer], Answer], now: int) -> tuple[Answer, Received]:
        portions = list(self._portions())
        if len(portions) < 2:
            return self._last(portions[0] if portions else [], move, now)
        with self._store.lease(now=now):
            for portion in portions[:-1]:
                with self._store.write(now=now) as writer:
                    self._begin(writer)
                    self._put_frames(writer, portion)
                self._committed()
            return self._last(portions[-1], move, now)

    def _last(self, portion: list[int], move: Callable[[Writer], Answer], now: int) -> tuple[Answer, Received]:
        with self._store.write(now=now) as writer:
            self._begin(writer)
            self._put_frames(writer, portion)
            self._put_unordered(writer)
            answer = move(writer)
        self._committed()
        return answer, Received(self._meter.objects, self._meter.raw, self._new)

    def _committed(self) -> None:
        if self._added is not None:
            self._added.committed()

    def _portions(self) -> Iterator[list[int]]:
        """Yield numbers of frames that lead only to earlier frames, so many at a time as one transaction takes."""
        unordered = set(self._inspection.unordered)
        portion: list[int] = []
        size = 0
        for number, header in enumerate(self._spool.headers):
            if number in unordered:
                continue
            portion.append(number)
            size += header.length
            if size >= PORTION:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion

    def _begin(self, writer: Writer) -> None:
        """Check that the transaction can build on what was inspected, and note what was left out, so that referrers can be indexed."""
        self._check_still_here(writer)
        if self._inspection.left_out:
            mark_absent(writer, self._inspection.left_out, PROMISED, self._source)

    def _check_still_here(self, writer: Writer) -> None:
        """Raise Conflict if a collection has removed what the transfer builds on since it was inspected."""
        if writer.generation == self._generation:
            return
        self._generation = writer.generation
        self._located.clear()
        for raw in self._inspection.external:
            if writer.address(raw[1:]) is None:
                raise Conflict(f"{link_from_raw(raw)} was collected while the transfer was checked", hint="try again")

    def _put_frames(self, writer: Writer, numbers: Iterable[int]) -> None:
        stored: list[tuple[int, Object]] = []
        size = 0
        for number in numbers:
            frame, objects = self._spool.frame(number), self._objects(number)
            stored.extend(writer.put_frame(frame.header.lane, frame.data, objects))
            size += frame.header.raw
            if size >= _BUFFERED:
                self._index(writer, stored)
                stored, size = [], 0
        self._index(writer, stored)

    def _put_unordered(self, writer: Writer) -> None:
        """Store frames that lead to one another, and only then index them: every target has to have its address."""
        places: list[list[int]] = []
        for number in self._inspection.unordered:
            frame = self._spool.frame(number)
            places.append([address for address, _ in writer.put_frame(frame.header.lane, frame.data, self._objects(number))])
        for addresses in places:
            self._index(writer, [(address, writer.at(address)) for address in addresses])

    def _index(self, writer: Writer, stored: list[tuple[int, Object]]) -> None:
        self._new += len(stored)
        if stored:
            self._added = self._indexer.add(writer, stored, self._located, self._inspection.decoded, self._inspection.linked)

    def _objects(self, number: int) -> list[Object]:
        """Return the objects of a frame: those of a small transfer are still at hand, else with the ids that were computed."""
        if self._kept:
            return self._kept[number]
        segment: Segment = open_frame(self._spool.frame(number))
        ids = self._ids[number]
        return [Object(segment.kinds[i], ids[i * ID_BYTES : (i + 1) * ID_BYTES], segment.body(i)) for i in range(segment.n)]
