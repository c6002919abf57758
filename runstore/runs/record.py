"""Recording: runs and their executions become objects, an index and a moved ref, in one transaction.

The work is done before the lock is taken: objects are built, looked up and compressed against the tips as last seen. Under the lock
the tips are compared; if one has moved, the executions are linked to the new tip and only they are made again.
Refs are a sibling layer: the caller passes in how a tip is read and moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runstore.model.executions import Execution, decode_execution, encode_execution, make_execution, make_merge
from runstore.model.ids import ID_BYTES, Kind, Link, Object
from runstore.model.run import Part, Run
from runstore.runs.index import Added, Indexer
from runstore.store.protocol import Reader, Store, Writer

_ATTEMPTS = 5


class Draft(NamedTuple):
    """An execution before it has a parent: the run, the ref it goes on, the parts that it brings, and its own fields."""

    run: Run
    ref: str
    fields: Mapping[str, Any]
    parts: tuple[Part, ...] = ()
    blobs: tuple[Object, ...] = ()


class Chain(NamedTuple):
    """Executions that stand on one another and on nothing else: what an importer brings for one ref (its full name)."""

    ref: str
    drafts: tuple[Draft, ...]


class Recorded(NamedTuple):
    """What was recorded for one draft.

    `new_objects` and `new_bytes` (of uncompressed bodies) count the whole transaction, on its first draft.
    """

    run: Link
    request: bytes
    execution: Link
    ref: str
    new_objects: int
    new_bytes: int


ReadTip = Callable[[Reader, str], Link | None]
MoveTips = Callable[[Writer, "list[Move]", int], None]
Within = Callable[[Writer], None]


class Move(NamedTuple):
    """A ref that goes from `old` to `new`, `length` executions further on a line (0: not by appending alone)."""

    ref: str
    old: Link | None
    new: Link
    length: int


class Recorder:
    """Records drafts into one store. `read_tip(reader, ref)` gives a ref's execution; `move_tips(writer, moves, now)` moves the refs."""

    def __init__(self, store: Store, read_tip: ReadTip, move_tips: MoveTips) -> None:
        self._store = store
        self._read_tip = read_tip
        self._move_tips = move_tips
        self._indexer = Indexer()

    def record(self, drafts: Sequence[Draft], *, now: int, within: Within | None = None) -> list[Recorded]:
        """Record the drafts in order, each on the tip of its ref, in one transaction. All or nothing.

        `now` is microseconds since 1970 UTC. `within` is called with the transaction: what it writes stands or falls with the executions.
        Raises what the store raises; a store that was packed meanwhile is retried.
        """
        for _ in range(_ATTEMPTS):
            recorded = self._attempt(drafts, now, within)
            if recorded is not None:
                return recorded
        return self._under_lock(drafts, now, within)

    def _attempt(self, drafts: Sequence[Draft], now: int, within: Within | None) -> list[Recorded] | None:
        store = self._store
        with store.read() as reader:
            generation = reader.generation
            tips = {ref: self._read_tip(reader, ref) for ref in {draft.ref for draft in drafts}}
            objects = collect(drafts, store.known)
            decoded: dict[bytes, Any] = {draft.run.id: draft.run.slots for draft in drafts}
            executions = chain(drafts, tips, decoded)
            batch = store.prepare([*objects, *executions], reader)
        with store.write(now=now) as writer:
            if writer.generation != generation:
                return None  # what was remembered as stored may have been collected: begin again
            current = {ref: self._read_tip(writer, ref) for ref in tips}
            if current == tips:
                new = writer.put(batch)
            else:
                tips, executions = current, chain(drafts, current, decoded)
                new = writer.put([*objects, *executions])
            added = self._finish(writer, drafts, tips, executions, new, decoded, now)
            if within is not None:
                within(writer)
        added.committed()
        return _report(drafts, executions, new)

    def _under_lock(self, drafts: Sequence[Draft], now: int, within: Within | None) -> list[Recorded]:
        with self._store.write(now=now) as writer:
            tips = {ref: self._read_tip(writer, ref) for ref in {draft.ref for draft in drafts}}
            executions = chain(drafts, tips, {})
            new = writer.put([*collect(drafts, lambda _: False), *executions])
            added = self._finish(writer, drafts, tips, executions, new, {}, now)
            if within is not None:
                within(writer)
        added.committed()
        return _report(drafts, executions, new)

    def _finish(
        self,
        writer: Writer,
        drafts: Sequence[Draft],
        tips: Mapping[str, Link | None],
        executions: Sequence[Object],
        new: Sequence[tuple[int, Object]],
        decoded: Mapping[bytes, Any],
        now: int,
    ) -> Added:
        added = self._indexer.add(writer, new, decoded=decoded)
        moves: dict[str, Move] = {}
        for draft, execution in zip(drafts, executions, strict=True):
            count = moves[draft.ref].length + 1 if draft.ref in moves else 1
            moves[draft.ref] = Move(draft.ref, tips[draft.ref], execution.link, count)
        self._move_tips(writer, list(moves.values()), now)
        return added

    def record_chains(self, chains: Sequence[Chain], *, now: int) -> tuple[int, int]:
        """Store chains from `parents: []`, and let each ref lead to its chain, in one transaction. Return counts of new objects and bytes.

        A ref that leads to the chain already stays; one that stands inside the chain moves to its end; one that stands elsewhere is
        joined with it by a merge, so that nothing recorded is lost.
        """
        drafts = [draft for chain in chains for draft in chain.drafts]
        made = [chain_from(chain.drafts, None) for chain in chains]
        executions = [execution for one in made for execution in one]
        with self._store.read() as reader:
            generation = reader.generation
        batch = self._store.prepare([*collect(drafts, self._store.known), *executions])
        with self._store.write(now=now) as writer:
            stale = writer.generation != generation
            new = list(writer.put([*collect(drafts, lambda _: False), *executions] if stale else batch))
            before = {chain.ref: self._read_tip(writer, chain.ref) for chain in chains}
            after = dict(before)
            for chain, one in zip(chains, made, strict=True):
                tip = joined(writer, after[chain.ref], one)
                new.extend(writer.put([tip]))
                after[chain.ref] = tip.link
            moves = [Move(ref, old, tip, 0) for ref, tip in after.items() if tip is not None and tip != (old := before[ref])]
            added = self._indexer.add(writer, new)
            if moves:
                self._move_tips(writer, moves, now)
        added.committed()
        return len(new), sum(len(obj.body) for _, obj in new)


def joined(reader: Reader, old: Link | None, chain: Sequence[Object]) -> Object:
    """Return where a ref that stands at `old` goes when a chain comes in: its end, a merge, or `old` if that holds the chain already."""
    end = chain[-1]
    if old is None or any(old.id == execution.id for execution in chain):
        return end
    seen, front = {old.id}, [old]
    while front:
        at = front.pop()
        if at.id == end.id:
            return reader.get(old.id)
        for parent in decode_execution(reader.get(at.id).body).parents:
            if parent.id not in seen:
                seen.add(parent.id)
                front.append(parent)
    return make_merge([old, end.link])


def collect(drafts: Iterable[Draft], known: Callable[[bytes], bool]) -> list[Object]:
    """Return the objects of the drafts that are not known to be stored, children before what links to them.

    A part is stored with all it leads to, so a part whose link is known is passed over whole.
    """
    found: list[Object] = []
    taken: set[bytes] = set()
    for draft in drafts:
        for part in (*draft.run.parts.values(), *draft.parts):
            if part.link.id not in taken:
                found += part_objects(part, known, taken)
        found += draft.blobs
        tree = draft.run.tree
        if tree.id not in taken and not known(tree.id):
            taken.add(tree.id)
            found.append(tree)
    return found


def part_objects(part: Part, known: Callable[[bytes], bool], taken: set[bytes]) -> list[Object]:
    """Return the objects of a part and of the shorter lists it builds on, down to what is known or was taken; it is taken now."""
    stretches: list[tuple[Object, ...]] = []
    at: Part | None = part
    while at is not None and (name := at.link.id) not in taken and not known(name):
        taken.add(name)
        stretches.append(at.objects)
        at = at.base
    return [obj for objects in reversed(stretches) for obj in objects]


def chain(drafts: Sequence[Draft], tips: Mapping[str, Link | None], decoded: dict[bytes, Any]) -> list[Object]:
    """Make the drafts' executions, each standing on the one before it on its ref, the first on the ref's tip.

    Those that read back as they were given are added to `decoded`, by id.
    """
    at = dict(tips)
    made: list[Object] = []
    for draft in drafts:
        execution = _execution(draft, at[draft.ref])
        made.append(obj := encode_execution(execution))
        at[draft.ref] = obj.link
        if type(execution.started) is int and execution.usage is execution.notes is execution.extra is None:
            decoded[obj.id] = execution
    return made


def checked(draft: Draft) -> Draft:
    """Return a draft of which an execution can be made, whatever it will stand on. Raises InvalidInput, as for notes too large."""
    encode_execution(_execution(draft, Link(Kind.EXECUTION, bytes(ID_BYTES))))
    return draft


def chain_from(drafts: Sequence[Draft], tip: Link | None) -> list[Object]:
    """Make the executions of drafts that stand on one another, whatever their refs."""
    made: list[Object] = []
    for draft in drafts:
        made.append(encode_execution(_execution(draft, made[-1].link if made else tip)))
    return made


def _execution(draft: Draft, tip: Link | None) -> Execution:
    return make_execution(draft.run.link, () if tip is None else (tip,), draft.fields)


def _report(drafts: Sequence[Draft], executions: Sequence[Object], new: Sequence[tuple[int, Object]]) -> list[Recorded]:
    counts = [(len(new), sum([len(obj.body) for _, obj in new]))] + [(0, 0)] * (len(drafts) - 1)
    return [
        Recorded(draft.run.link, draft.run.request_id, execution.link, draft.ref, *count)
        for draft, execution, count in zip(drafts, executions, counts, strict=True)
    ]
