"""Pushing: a peer's refs move forward to ours, and it gets what it lacks. All refs move, or none.

One new execution takes three calls: hello, has, push. A connection that is cut is opened again, and the upload goes on at a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from runstore.errors import Conflict, NotFound, Refused, RunstoreError
from runstore.model.ids import Kind, Link
from runstore.store.protocol import Reader, Store
from runstore.sync.ancestry import is_ancestor, known_there
from runstore.sync.frame import Frame, Header
from runstore.sync.marks import Marks
from runstore.sync.messages import BATCH, disconnected
from runstore.sync.progress import Progress, nothing
from runstore.sync.remote import Hello, Remote, is_disconnect
from runstore.sync.select import Selected, select
from runstore.sync.send import frames_of
from runstore.sync.spool import headers_check
from runstore.sync.updates import ALREADY, MOVED, Update, not_forward

UP_TO_DATE = "up to date"


class Pushed(NamedTuple):
    """What a push did: for each ref old and new target and a state; objects and bytes sent, and objects that were new there.

    States: `moved`, `already`, `up to date`. For a dry run, what it would do; `new` is then 0.
    """

    refs: list[tuple[str, Link | None, Link, str]]
    objects: int
    bytes: int
    new: int


def push(
    store: Store,
    remote: Remote,
    names: Sequence[tuple[Link, str]],
    *,
    upload: Callable[[], str],
    force: bool = False,
    dry_run: bool = False,
    message: str = "",
    had: Iterable[bytes] = (),
    attempts: int = 3,
    progress: Progress = nothing,
) -> Pushed:
    """Move refs of a peer (their full names) to executions and tags that are here. `upload` gives 32 random hex digits.

    `had` are ids that the peer is known to have had. Raises Conflict (`not-forward`) where the peer has what is not here, Refused if the
    peer refuses, Unavailable if it cannot be reached.
    """
    for attempt in range(attempts):
        try:
            return _Push(store, remote, names, upload(), force, dry_run, message, list(had), progress).run()
        except RunstoreError as error:
            if not (is_disconnect(error) or error.kind == "resume") or attempt == attempts - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


class _Push:
    """One attempt with a new plan; within it, an interrupted upload is taken up again."""

    def __init__(
        self,
        store: Store,
        remote: Remote,
        names: Sequence[tuple[Link, str]],
        upload: str,
        force: bool,
        dry_run: bool,
        message: str,
        had: list[bytes],
        progress: Progress,
    ) -> None:
        self._store = store
        self._remote = remote
        self._names = names
        self._upload = upload
        self._force = force
        self._dry_run = dry_run
        self._message = message
        self._had = had
        self._progress = progress
        self._sent: list[Header] = []

    def run(self) -> Pushed:
        hello = self._remote.hello(names=[there for _, there in self._names])
        with self._store.read() as reader:
            states, updates = self._plan(reader, hello)
            if not updates:
                return Pushed(states, 0, 0, 0)
            chosen = self._choose(reader, hello, updates)
            if len(chosen.addresses) > hello.limits.objects:
                raise Refused(
                    f"{len(chosen.addresses):,} objects to push; {self._remote.name} takes {hello.limits.objects:,} at once",
                    hint="push an earlier execution first (`runstore push REMOTE main~5000:main`), or raise the limit there",
                    kind="limit-exceeded",
                )
            if self._dry_run:
                size = sum(len(frame.data) for frame in frames_of(reader, chosen.addresses))
                return Pushed(states, len(chosen.addresses), size, 0)
            told, new = self._send(reader, hello, chosen, updates)
        done = [(name, old, target, told.get(name, state)) for name, old, target, state in states]
        return Pushed(done, sum(header.objects for header in self._sent), sum(header.length for header in self._sent), new)

    def _plan(self, reader: Reader, hello: Hello) -> tuple[list[tuple[str, Link | None, Link, str]], list[Update]]:
        states: list[tuple[str, Link | None, Link, str]] = []
        updates: list[Update] = []
        for new, there in self._names:
            old = hello.refs.get(there)
            state = MOVED if old is None else self._state(reader, there, old, new)
            states.append((there, old, new, state))
            if state == MOVED:
                updates.append(Update(there, old, new))
        return states, updates

    def _state(self, reader: Reader, name: str, old: Link, new: Link) -> str:
        if old == new:
            return UP_TO_DATE
        if self._force:
            return MOVED
        if old.kind == Kind.EXECUTION and new.kind == Kind.EXECUTION and reader.address(old.id) is not None:
            if is_ancestor(reader, old.id, [new.id]):
                return MOVED
            if is_ancestor(reader, new.id, [old.id]):
                return ALREADY
        if name.startswith("tags/"):
            raise Conflict(f"{name} exists on the other side and points at {old}", hint="--force moves it, with leave", kind="not-forward")
        raise not_forward(name)

    def _choose(self, reader: Reader, hello: Hello, updates: Sequence[Update]) -> Selected:
        """Select what the peer lacks: first by what it is known to have, then by asking."""
        wanted = [update.new.id for update in updates]
        if hello.empty:
            return self._check_whole(select(reader, wanted), empty=True)
        had = [update.old.id for update in updates if update.old is not None and reader.address(update.old.id) is not None]
        had += [one for one in self._had if reader.address(one) is not None]
        if not had:
            had = known_there(reader, wanted, self._remote.has)
        chosen = select(reader, wanted, had)
        self._drop_had(reader, chosen.addresses)
        return self._check_whole(chosen, empty=False)

    def _check_whole(self, chosen: Selected, *, empty: bool) -> Selected:
        """Raise NotFound if something is linked to that is neither here nor there: what a clone left out cannot be pushed elsewhere."""
        links = list(chosen.promised)
        flags = [False] * len(links) if empty or not links else self._remote.has([link.id for link in links])
        for link, flag in zip(links, flags, strict=True):
            if not flag:
                raise NotFound(
                    f"{link} is not here, and {self._remote.name} lacks it", hint="`runstore fetch --missing` brings it", kind="promised"
                )
        return chosen

    def _drop_had(self, reader: Reader, wanted: Marks) -> None:
        """Ask for every object that is left, in batches, and drop those that the peer has."""
        batch: list[int] = []
        for address in list(wanted):
            batch.append(address)
            if len(batch) == BATCH * 16:
                self._drop_batch(reader, wanted, batch)
                batch = []
        if batch:
            self._drop_batch(reader, wanted, batch)

    def _drop_batch(self, reader: Reader, wanted: Marks, batch: list[int]) -> None:
        flags = self._remote.has([reader.at(address).id for address in batch])
        for address, flag in zip(batch, flags, strict=True):
            if flag:
                wanted.discard(address)

    def _send(self, reader: Reader, hello: Hello, chosen: Selected, updates: Sequence[Update]) -> tuple[dict[str, str], int]:
        resumable = "resume" in hello.features
        start = 0
        while True:
            frames = self._noted(frames_of(reader, chosen.addresses), start)
            try:
                return self._remote.push(self._upload, start, frames, updates, force=self._force, message=self._message)
            except RunstoreError as error:
                if not is_disconnect(error) or not resumable:
                    raise
            if self._is_done(updates):
                return {update.name: MOVED for update in updates}, 0
            kept, check = self._remote.uploaded(self._upload)
            if not start < kept <= len(self._sent) or headers_check(self._sent[:kept]).hex() != check:
                raise disconnected("the connection ended, and nothing of the upload was kept on the other side")
            start = kept

    def _is_done(self, updates: Sequence[Update]) -> bool:
        """True if the refs stand where we wanted them: the answer was lost, the push was not."""
        found = self._remote.hello(names=[update.name for update in updates]).refs
        return all(found.get(update.name) == update.new for update in updates)

    def _noted(self, frames: Iterator[Frame], start: int) -> Iterator[Frame]:
        """Pass frames on from a number, and keep their headers."""
        self._sent = self._sent[:start]
        for number, frame in enumerate(frames):
            if number < start:
                continue
            self._sent.append(frame.header)
            self._progress(frame.header.objects, frame.header.length)
            yield frame
