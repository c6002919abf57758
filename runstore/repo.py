"""Repo: a store of runs as one object. Its verbs are the twins of the commands.

Time, actor and randomness enter here (or are passed in) and go down as arguments; nothing below reads a clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from runstore import refs
from runstore.errors import Conflict, InvalidInput
from runstore.model.executions import decode_execution
from runstore.model.ids import Id, Kind, Link, Object
from runstore.runs import lookup
from runstore.runs.tables import TABLES as RUN_TABLES
from runstore.store.table import Table

if TYPE_CHECKING:
    from datetime import tzinfo

    from runstore.maintenance.fsck import Finding
    from runstore.maintenance.gc import Collected
    from runstore.model.run import Run
    from runstore.query.diff import Diff
    from runstore.query.drift import Drift
    from runstore.query.find import Use
    from runstore.query.grep import Match
    from runstore.query.log import Entry
    from runstore.query.revisions import Found
    from runstore.refs import Change, Operation, Ref
    from runstore.runs.completeness import Verdict
    from runstore.runs.record import Chain, Draft, Move, Recorded, Recorder
    from runstore.runs.view import ExecutionView, RunView
    from runstore.store.protocol import Reader, Store, Writer
    from runstore.sync.exchange import Exchange

DRAINED = Table("drained")  # name of a journal file | how far it is drained (docs/spec/journal.md)
TABLES = (*refs.TABLES, *RUN_TABLES, DRAINED)
DEFAULT_REF = "main"
Clock = Callable[[], int]


def now_microseconds() -> int:
    """Return the time of this machine in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Repo:
    """A store with its runs, refs and log. Open one with `runstore.open`; use it as a context manager.

    Threads may share a Repo. `actor` names who writes; `clock` gives microseconds since 1970 UTC; `default_ref` takes executions
    for which no ref is named; `zone` is where times without an offset are meant, UTC unless given.
    """

    def __init__(
        self,
        store: Store,
        *,
        actor: str | Callable[[], str],
        default_ref: str | Callable[[], str] = DEFAULT_REF,
        clock: Clock = now_microseconds,
        nonce: Callable[[], str] | None = None,
        zone: tzinfo | Callable[[], tzinfo] | None = None,
    ) -> None:
        """`actor`, `default_ref` and `zone` may be functions, called when they are first needed."""
        self.store = store
        self._stated_actor = actor
        self._stated_ref = default_ref
        self._clock = clock
        self._nonce = nonce or (lambda: os.urandom(16).hex())
        self._stated_zone = zone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @cached_property
    def _recorder(self) -> Recorder:
        from runstore.runs.record import Recorder  # what only reads does not load what writes

        return Recorder(self.store, refs.get, self._move)

    @cached_property
    def actor(self) -> str:
        """Who writes."""
        return self._stated_actor() if callable(self._stated_actor) else self._stated_actor

    @cached_property
    def default_ref(self) -> str:
        """The ref for executions for which none is named."""
        return self._stated_ref() if callable(self._stated_ref) else self._stated_ref

    @cached_property
    def zone(self) -> tzinfo | None:
        """Where times without an offset are meant; None is UTC."""
        return self._stated_zone() if callable(self._stated_zone) else self._stated_zone

    def close(self) -> None:
        """Release the store. Idempotent."""
        self.store.close()

    def flush(self) -> None:
        """Return when all that was recorded is where the store lies: for one in a bucket, when its root lists it; for others at once.

        Raises Unavailable if the bucket cannot be reached; what was recorded then is in the cache.
        """
        if (flush := getattr(self.store, "flush", None)) is not None:
            flush()

    def refresh(self) -> bool:
        """Take in what others have recorded in the bucket since it was opened or flushed; True if there was something. Else False."""
        refresh = getattr(self.store, "refresh", None)
        return refresh is not None and bool(refresh())

    def now(self) -> int:
        """Return the time of this repo's clock, in microseconds since 1970 UTC."""
        return self._clock()

    # --- putting in ---------------------------------------------------------------------------------------------------------

    def add(self, run: Run | Mapping[str, Any], *, ref: str | None = None, **fields: Any) -> Recorded:
        """Record one execution of a run on a ref. Durable when this returns.

        `run` is a Run, or a mapping of slots in which None is unknown and False is absent. `fields`: `output` (text, a message, a list
        of messages, bytes), `status`, `started` and `ended` (microseconds since 1970 UTC, or ISO 8601 text; `started` is now unless
        given, None for unknown), `actor`, `message`, `usage`, `notes`, `response`, `wire`, `cause`, `nonce`, `extra_fields`.
        Raises InvalidInput, and stores nothing, if any part cannot be an object.
        """
        return self.add_many([(run, {"ref": ref, **fields})])[0]

    def add_many(
        self, items: Iterable[tuple[Run | Mapping[str, Any], Mapping[str, Any]]], *, within: Callable[[Writer], None] | None = None
    ) -> list[Recorded]:
        """Record executions in order, in one transaction: all or nothing. Each item is a run and its fields, `ref` among them.

        `within` is called with the transaction: what it writes stands or falls with the executions.
        """
        now = self._clock()
        drafts = [self._draft(run, dict(fields), now) for run, fields in items]
        if drafts:
            return self._recorder.record(drafts, now=now, within=within)
        if within is not None:
            with self.store.write(now=now) as writer:
                within(writer)
        return []

    def importing(self) -> Importing:
        """Return a recorder for an importer's chains. All that goes through one is undone together."""
        return Importing(self, self._clock())

    def put(self, value: Any) -> Id:
        """Store a value (bytes: a blob) that no run refers to yet, and return its id. gc keeps it for its grace period."""
        from runstore.runs import compose, index

        objects = compose.output_part(value).objects if isinstance(value, bytes) else compose.value_objects(value)
        with self.store.write(now=self._clock()) as writer:
            index.Indexer().add(writer, writer.put(objects))
        return Id(objects[-1].id)

    def _draft(self, run: Run | Mapping[str, Any], fields: dict[str, Any], now: int) -> Draft:
        from runstore.runs import compose

        named = fields.pop("ref", None)
        ref = refs.full_name(self.default_ref if named is None else named)
        if not ref.startswith("heads/"):
            raise InvalidInput(
                f"executions are recorded on heads/, not on {ref}", hint="name a ref without tags/ or remotes/", kind="bad-name"
            )
        stated = {"started": now, "actor": self.actor, "status": "ok", **fields}
        if "nonce" not in stated:
            stated["nonce"] = self._nonce()
        return compose.draft(run, ref, stated)

    def _move(self, writer: Writer, moves: list[Move], now: int) -> None:
        _apply(refs.Operation(writer, now=now, actor=self.actor, action="add"), writer, moves)

    # --- getting out --------------------------------------------------------------------------------------------------------

    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot for the functions of `query`. Keep it short."""
        return self.store.read()

    def fetch(self, id: bytes) -> Object:
        """Return one object by id, verified. Raises NotFound (kind `promised` for what was left out of a clone) or Damaged."""
        with self.store.read() as reader:
            found = reader.find(id)
            if found is None:
                from runstore.runs.absence import explain

                raise explain(reader, id)
            return found[1]

    def resolve(self, revision: str) -> Found:
        """Return what a revision names (docs/revisions.md). Raises NotFound, Ambiguous or InvalidInput."""
        with self.store.read() as reader:
            return self._named(reader, revision)

    def _named(self, reader: Reader, revision: str, now: int | None = None) -> Found:
        from runstore.query.revisions import resolve

        return resolve(reader, revision, now=self._clock() if now is None else now, zone=self._zone_of([revision]))

    def show(self, revision: str) -> RunView | ExecutionView:
        """Return the run or execution that a revision names, with its slots by name as values. A tag is followed to its target."""
        from runstore.query.revisions import to_execution, to_run
        from runstore.runs.view import ExecutionView, RunView

        with self.store.read() as reader:
            link = self._named(reader, revision).link
            if link.kind == Kind.TREE:
                return RunView(reader.get(to_run(reader, link).id), self.fetch)
            execution = reader.get(to_execution(reader, link).id)
        return ExecutionView(execution, decode_execution(execution.body), self.fetch)

    def log(self, *revisions: str, **filters: Any) -> Iterator[Entry]:
        """Yield executions, newest first: of the revisions named, else of all local refs.

        `filters` are the fields of query.log.Filter; times ("2026-01-31", "2 hours ago"), `run` and `against` (revisions) and `where`
        ("parameters.temperature=0", or several) may also be texts.
        """
        from runstore.query.log import filter_of, log

        now = self._clock()
        with self.store.read() as reader:
            wanted = filter_of(reader, filters, now=now, zone=self.zone)
        return log(self.store, revisions, wanted, now=now, zone=self._zone_of(revisions))

    def _zone_of(self, revisions: Iterable[str]) -> tzinfo | None:
        return self.zone if any("@{" in revision for revision in revisions) else None

    def diff(self, old: str, new: str) -> Diff:
        """Compare two runs or executions component by component."""
        from runstore.query.diff import diff

        with self.store.read() as reader:
            return diff(reader, self.resolve(old).link, self.resolve(new).link)

    def grep(self, pattern: str, *revisions: str, places: Sequence[str] | None = None, ignore_case: bool = False) -> Iterator[Match]:
        """Yield where a regular expression stands in the executions that `log` of the revisions gives, newest first."""
        from runstore.query import grep
        from runstore.query.log import log

        entries = log(self.store, revisions, now=self._clock(), zone=self._zone_of(revisions))
        return grep.search(self.store, entries, pattern, grep.PLACES if places is None else places, ignore_case=ignore_case)

    def find(self, content: Link | bytes | Any) -> list[Use]:
        """Return the runs and executions that use an object: its link, bytes (a file) or a value (a message, a tool, a document)."""
        from runstore.query.find import find, links_of_bytes, links_of_value

        if isinstance(content, Link):
            links: Sequence[Link] = [content]
        else:
            links = links_of_bytes(content) if isinstance(content, bytes) else links_of_value(content)
        with self.store.read() as reader:
            return list(find(reader, *links))

    def drift(self, *revisions: str) -> Iterator[Drift]:
        """Yield the requests that more than one runtime has answered: in the log of the revisions, newest first, else in the store."""
        from runstore.query.drift import drifts, drifts_along
        from runstore.query.log import log

        if revisions:
            yield from drifts_along(self.store, log(self.store, revisions, now=self._clock(), zone=self._zone_of(revisions)))
            return
        with self.store.read() as reader:
            yield from drifts(reader)

    def check(self, revision: str) -> Verdict:
        """Return whether the run that a revision names is complete and repeatable, with reasons per slot (docs/how-to/check-a-run.md)."""
        from runstore.query.revisions import to_run, to_target
        from runstore.runs.completeness import check

        with self.store.read() as reader:
            link = to_target(reader, self._named(reader, revision).link)
            return check(reader, to_run(reader, link), link if link.kind == Kind.EXECUTION else None)

    def dump(self, revision: str | None = None) -> Iterator[Object]:
        """Yield every object, or all that a revision leads to, what an object links to before it."""
        from runstore.maintenance.dump import dump

        start = None if revision is None else self.resolve(revision).link
        with self.store.read() as reader:
            yield from dump(reader, start)

    def executions(self, revision: str) -> list[ExecutionView]:
        """Return all executions of the run that a revision names, in the order of recording."""
        from runstore.query.revisions import to_run
        from runstore.runs.view import ExecutionView

        with self.store.read() as reader:
            run = to_run(reader, self._named(reader, revision).link)
            found = list(lookup.executions_of(reader, run.id))
        return [ExecutionView(obj, decode_execution(obj.body), self.fetch) for obj in found]

    # --- refs ---------------------------------------------------------------------------------------------------------------

    def refs(self, prefix: str = "") -> list[Ref]:
        """Return the refs whose full name starts with `prefix`, by name."""
        with self.store.read() as reader:
            return list(refs.each(reader, prefix))

    def set_ref(self, name: str, revision: str, *, expect: Link | Literal["any"] | None = "any", message: str = "") -> Ref:
        """Point a ref at the execution that a revision names, whatever it stood at, or only if it stands at `expect`."""
        from runstore.query.revisions import to_execution

        full = refs.full_name(name)
        now = self._clock()
        with self.store.write(now=now) as writer:
            target = to_execution(writer, self._named(writer, revision, now).link)
            old = refs.get(writer, full) if expect == "any" else expect
            if old != target:
                refs.Operation(writer, now=now, actor=self.actor, action="set", message=message).move(full, old, target)
            found = refs.read(writer, full)
        if found is None:
            raise Conflict(f"there is no ref {full}, and it was expected at {old}", hint="read it again and retry")
        return found

    def delete_ref(self, name: str, *, message: str = "") -> Ref:
        """Remove a ref and return it as it stood. Its executions stay while the reflog remembers them. Raises NotFound."""
        now = self._clock()
        with self.store.write(now=now) as writer:
            found = refs.existing(writer, name)
            refs.Operation(writer, now=now, actor=self.actor, action="delete", message=message).delete(found.name, found.target)
        return found

    def tag(self, name: str, revision: str, *, message: str | None = None) -> Link:
        """Make a tag object about what a revision names, and the ref tags/NAME that points at it. Raises Conflict if the name is taken."""
        from runstore.model.tags import Tag, encode_tag
        from runstore.runs import index

        full = refs.full_name(name, "tags/")
        if not full.startswith("tags/"):
            raise InvalidInput(
                f"tags are kept under tags/, not as {full}", hint=f"for example: {refs.short_name(full)}, tags/v1", kind="bad-name"
            )
        now = self._clock()
        with self.store.write(now=now) as writer:
            if refs.read(writer, full) is not None:
                raise Conflict(f"there is a tag {name} already", hint=f"name another, or `runstore ref delete {full}` first")
            target = self._named(writer, revision, now).link
            tag = encode_tag(Tag(target, refs.short_name(full), self.actor, message, now))
            index.Indexer().add(writer, writer.put([tag]))
            refs.Operation(writer, now=now, actor=self.actor, action="tag").move(full, None, tag.link)
        return tag.link

    def reflog(self, name: str | None = None) -> list[Change]:
        """Return the changes of one ref, also of one that is gone, or of all, newest first. Raises NotFound for what never was."""
        with self.store.read() as reader:
            parent = lookup.first_parent(reader)
            if name is None:
                return list(refs.changes(reader, parent))
            found = list(refs.changes_of(reader, refs.full_name(name), parent))
            return found or list(refs.changes_of(reader, refs.existing(reader, name).name, parent))

    def expire_reflog(self, before: int) -> int:
        """Forget the changes made before a time (microseconds since 1970 UTC); return how many. gc may then collect what only they kept."""
        with self.store.write(now=self._clock()) as writer:
            return refs.expire(writer, before, lookup.first_parent(writer))

    def undo(self) -> list[Change]:
        """Take back the newest operation on refs that is not taken back yet, as an operation of its own. NotFound if none is left."""
        now = self._clock()
        with self.store.write(now=now) as writer:
            return refs.undo(writer, lookup.first_parent(writer), now=now, actor=self.actor)

    # --- exchange -----------------------------------------------------------------------------------------------------------

    def exchange(
        self,
        *,
        ssh: Sequence[str] = ("ssh",),
        token: Callable[[], str | None] = lambda: None,
        progress: Callable[[int, int], None] = lambda objects, size: None,
    ) -> Exchange:
        """Return the verbs of exchange with other stores: `push`, `fetch`, `pull`, `ls_remote`, `fetch_missing`, `bundle`.

        `ssh` is the command that reaches hosts, `token` gives the token for servers; `progress(objects, bytes)` is told what goes over.
        """
        from runstore.query.revisions import to_execution
        from runstore.sync.connect import Access
        from runstore.sync.exchange import Exchange

        return Exchange(
            self.store,
            getattr(self.store, "directory", None),
            Access(TABLES, self._clock, self.actor, tuple(ssh), token),
            default_ref=refs.full_name(self.default_ref),
            upload=lambda: os.urandom(16).hex(),
            resolve=lambda reader, text: to_execution(reader, self._named(reader, text).link),
            progress=progress,
        )

    # --- care ---------------------------------------------------------------------------------------------------------------

    def fsck(self, *, fast: bool = False, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
        """Yield what is wrong with the store; nothing if it is whole. `fast` leaves out the form of objects and the derived tables."""
        from runstore.maintenance.fsck import fsck

        return fsck(self.store, fast=fast, progress=progress)

    def pack(self, *, progress: Callable[[int], None] | None = None) -> Mapping[str, Any]:
        """Copy the store into a new file in reading order, where it is smallest; return counts and sizes before and after."""
        from runstore.maintenance.pack import pack

        return pack(self.store, progress=progress)

    def pack_if_worthwhile(self, new_objects: int) -> None:
        """Pack the store if these new objects are at least half of what it holds. Only counts are looked at: nothing is read to decide."""
        with self.store.read() as reader:
            held = reader.count()
        if 2 * new_objects >= held:
            self.pack()

    def gc(self, *, dry_run: bool = False, grace_days: float | None = None) -> Collected:
        """Drop the objects that nothing leads to, but for those added within the grace period; with `dry_run` only count them."""
        from runstore.maintenance.gc import GRACE_DAYS, gc

        return gc(self.store, now=self._clock(), grace_days=GRACE_DAYS if grace_days is None else grace_days, dry_run=dry_run)

    def stat(self) -> Mapping[str, Any]:
        """Return counts and byte sizes: objects by kind, segments, pages by table."""
        return self.store.stat()

    def reindex(self) -> None:
        """Build the derived tables anew from the objects."""
        from runstore.runs import index

        with self.store.write(now=self._clock()) as writer:
            index.rebuild(writer)


class Importing:
    """What one import records: chains from `parents: []`, in as many transactions as it takes, undone as one operation."""

    def __init__(self, repo: Repo, started: int) -> None:
        from runstore.runs.record import Recorder

        self._repo = repo
        self._message = f"{refs.IMPORT} {started}"
        self._recorder = Recorder(repo.store, refs.get, self._move)

    def record(self, chains: Sequence[Chain]) -> tuple[int, int]:
        """Store chains in one transaction; return the counts of new objects and of their bytes. See Recorder.record_chains."""
        return self._recorder.record_chains(chains, now=self._repo.now())

    def _move(self, writer: Writer, moves: list[Move], now: int) -> None:
        operation = refs.Operation(writer, now=now, actor=self._repo.actor, action=refs.IMPORT, message=self._message)
        _apply(operation, writer, moves)


def _apply(operation: Operation, writer: Writer, moves: list[Move]) -> None:
    for move in moves:
        operation.move(move.ref, move.old, move.new, extends=move.length == 1 and move.old is not None)
    refs.set_last(writer, moves[-1].new)
