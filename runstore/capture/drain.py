"""Draining: what stands in the journal goes into the store, exactly once, whoever does it and whenever it is killed.

How far a file is drained is written in the transaction that records its calls. A file whose process is gone is removed once it is drained;
a request in it that was begun and never answered becomes an interrupted execution. What cannot be recorded is kept in `failed`.
Source: docs/spec/journal.md, "Draining".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from runstore.capture.assemble import Assembled, Label, assemble
from runstore.capture.declared import Declared
from runstore.capture.entries import Seen, seen_of
from runstore.capture.exchange import Exchange
from runstore.capture.journal.frames import BEGUN, CALL, LOST, MAGIC, Entry, check_magic, entries, frame, is_damaged
from runstore.capture.journal.writer import DIRECTORY, SUFFIX
from runstore.capture.resolving import CONVERSATION, POINTERS, RESPONSE, resolve
from runstore.errors import InvalidInput, Refused
from runstore.model.ids import Link
from runstore.repo import DRAINED, Repo
from runstore.runs.lookup import executions_in_session, executions_of_response
from runstore.runs.record import Recorded
from runstore.store.protocol import Reader, Writer

FAILED = "failed"
BATCH_CALLS, BATCH_BYTES = 64, 4 << 20
_DONE = 1 << 62


class Drained(NamedTuple):
    """What a drain did.

    `statuses`, `refs` and `sessions` count executions; `others` are calls that no codec has; `failed` were kept aside; `lost` is how many
    calls their processes could not journal, as these said.
    """

    statuses: Counter[str]
    refs: Counter[str]
    sessions: Counter[str]
    others: int
    failed: int
    lost: int

    @property
    def recorded(self) -> int:
        """The number of executions."""
        return self.statuses.total()


def waiting(store: str) -> bool:
    """True if there are journal files beside a store. Cheap."""
    try:
        with os.scandir(os.path.join(store, DIRECTORY)) as found:
            return any(one.name.endswith(SUFFIX) for one in found)
    except OSError:
        return False


def drain(repo: Repo) -> Drained:
    """Put what waits in the journal of a repo's store into the store. Two that drain at once each do a part.

    Raises what writing to the store raises; what was drained before stands.
    """
    return _Draining(repo).all()


def record_seen(repo: Repo, seen: Seen) -> Recorded | None:
    """Record one call, durably; None if no codec has it."""
    made = assembled(seen)
    if made is None:
        return None
    made = resolve(made, lambda kind, name: look_up(repo, kind, name))
    try:
        return repo.add(made.run, **made.fields)
    except InvalidInput as error:
        if error.kind != "bad-name" or "ref" not in made.fields:
            raise
        return repo.add(made.run, **without_ref(made.fields))


class _Taken(Exception):
    """Somebody else drains this file."""


class _Item(NamedTuple):
    """A call that is ready, its entry, and where the next entry begins."""

    assembled: Assembled
    entry: Entry
    end: int


class _Batch:
    """Calls for one transaction: from the entry at `start` to the one at `end`."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.items: list[_Item] = []
        self.bytes = 0

    @property
    def full(self) -> bool:
        return len(self.items) >= BATCH_CALLS or self.bytes >= BATCH_BYTES

    def add(self, item: _Item) -> None:
        self.items.append(item)
        self.bytes += len(item.entry.sent) + len(item.entry.received)


class _Draining:
    """One drain of one store."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._directory = os.path.join(getattr(repo.store, "directory", ""), DIRECTORY)
        self._statuses: Counter[str] = Counter()
        self._refs: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()
        self._others = self._failed = self._lost = 0

    def all(self) -> Drained:
        for path in _files(self._directory):
            with contextlib.suppress(FileNotFoundError, _Taken), open(path, "rb") as file:
                self._file(path, file.fileno())
        return Drained(self._statuses, self._refs, self._sessions, self._others, self._failed, self._lost)

    def _file(self, path: str, fd: int) -> None:
        name = os.path.basename(path)
        gone = _is_left(fd)
        mark = self._mark(name)
        size = os.fstat(fd).st_size
        if mark < size:
            data = _read(fd, size)
            try:
                first = check_magic(data, name)
            except Refused:
                self._failed += 1  # it stays for a newer runstore
                return
            end = self._entries(name, data, mark or first, mark) if first else size
            if gone:
                self._interrupted(name, data, end)
                if is_damaged(data, end):
                    self._put_aside(name, data[end:])
        if gone:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _entries(self, name: str, data: bytes, start: int, mark: int) -> int:
        """Record the whole entries from an offset on; return where they end."""
        batch = _Batch(start)
        for end, entry in entries(data, start):
            made = None if entry is None else self._made(name, entry)
            if made is not None and entry is not None:
                if batch.items and any(one.pointer in POINTERS for one in made.facts.unresolved):
                    mark = self._record(name, batch, mark)  # what it refers to may be in this batch
                    batch = _Batch(mark)
                batch.add(_Item(resolve(made, self._lookup), entry, end))
            batch.end = end
            if batch.full:
                mark = self._record(name, batch, mark)
                batch = _Batch(mark)
        if batch.end > batch.start:
            self._record(name, batch, mark)
        return batch.end

    def _made(self, name: str, entry: Entry) -> Assembled | None:
        if entry.kind == BEGUN:
            return None
        if entry.kind == LOST:
            self._lost += int(entry.head.get("calls", 0))
            return None
        try:
            made = assembled(seen_of(entry))
        except Exception:  # noqa: BLE001 - one call that breaks us must not keep all others out: it is kept aside, and counted
            self._put_aside(name, frame(entry))
            return None
        if made is None:
            self._others += 1
        return made

    def _record(self, name: str, batch: _Batch, mark: int) -> int:
        """Record a batch and where it ends in one transaction; one by one where that is refused. Returns the new mark."""
        try:
            recorded = self._repo.add_many(
                [(item.assembled.run, item.assembled.fields) for item in batch.items], within=self._marking(name, mark, batch.end)
            )
        except InvalidInput:
            for item in batch.items:
                self._record_one(name, item, mark)
                mark = item.end
            if mark != batch.end:
                self._repo.add_many([], within=self._marking(name, mark, batch.end))
            return batch.end
        self._count(batch.items, recorded)
        return batch.end

    def _record_one(self, name: str, item: _Item, mark: int) -> None:
        within = self._marking(name, mark, item.end)
        run, fields, _ = item.assembled
        try:
            recorded = self._repo.add_many([(run, fields)], within=within)
        except InvalidInput as error:
            if error.kind != "bad-name" or "ref" not in fields:
                self._put_aside(name, frame(item.entry))
                self._repo.add_many([], within=within)
                return
            recorded = self._repo.add_many([(run, without_ref(fields))], within=within)
        self._count([item], recorded)

    def _interrupted(self, name: str, data: bytes, end: int) -> None:
        """Record the requests that were begun and never answered by a process that is gone."""
        begun: dict[str, Entry] = {}
        for _, entry in entries(data, len(MAGIC)):
            if entry is not None and entry.kind == BEGUN:
                begun[entry.head.get("id", "")] = entry
            elif entry is not None and entry.kind == CALL:
                begun.pop(entry.head.get("id", ""), None)
        items = []
        for entry in begun.values():
            made = self._made(name, entry._replace(kind=CALL, head={**entry.head, "interrupted": True}))
            if made is not None:
                items.append(_Item(resolve(made, self._lookup), entry, _DONE))
        if items:
            batch = _Batch(end)
            batch.items, batch.end = items, _DONE
            self._record(name, batch, self._mark(name))

    def _count(self, items: list[_Item], recorded: list[Recorded]) -> None:
        self._statuses.update(item.assembled.fields["status"] for item in items)
        self._refs.update(one.ref for one in recorded)
        self._sessions.update((item.assembled.fields["notes"] or {}).get("session", "") for item in items)

    def _mark(self, name: str) -> int:
        with self._repo.read() as reader:
            return _read_mark(reader, name)

    def _marking(self, name: str, before: int, after: int) -> Callable[[Writer], None]:
        def within(writer: Writer) -> None:
            if _read_mark(writer, name) != before:
                raise _Taken
            for key, _ in list(writer.items(DRAINED.name)):
                if not os.path.exists(os.path.join(self._directory, key.decode("ascii", "replace"))):
                    writer.delete_value(DRAINED.name, key)
            writer.set_value(DRAINED.name, name.encode("ascii"), b"%d" % after)

        return within

    def _lookup(self, kind: str, name: str) -> Link | None:
        return look_up(self._repo, kind, name)

    def _put_aside(self, name: str, data: bytes) -> None:
        """Keep what cannot be recorded, for a version that can."""
        self._failed += 1
        place = os.path.join(self._directory, FAILED)
        os.makedirs(place, 0o700, exist_ok=True)
        fd = os.open(os.path.join(place, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(fd, "ab") as file:
            file.write(data if file.tell() else MAGIC + data)


def assembled(seen: Seen) -> Assembled | None:
    """Assemble a call that was seen, under its label; None if no codec has it."""
    said = seen.label
    label = Label(
        said.get("ref"),
        said.get("session"),
        said.get("scope"),
        said.get("notes"),
        said.get("actor"),
        nonce=seen.id,
        documents=tuple(Declared(*one) for one in said.get("documents", ())),
    )

    def redacted(exchange: Exchange) -> tuple[Exchange, list[Any]]:
        return exchange, seen.redacted  # it was done before anything was written

    return assemble(seen.exchange, label, redact=redacted)


def look_up(repo: Repo, kind: str, name: str) -> Link | None:
    """Return the newest execution that is a response, or belongs to a conversation, of this id; see `resolving.Lookup`."""
    find = {RESPONSE: executions_of_response, CONVERSATION: executions_in_session}[kind]
    with repo.read() as reader:
        found = list(find(reader, name))
    return found[-1].link if found else None


def without_ref(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields for the default ref: what was named is no ref name, and stands in the notes."""
    return {**fields, "ref": None, "notes": {**(fields.get("notes") or {}), "ref": fields["ref"]}}


def _files(directory: str) -> list[str]:
    """Return the journal files, those that were begun first at the beginning: their names begin with the time."""
    try:
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []


def _is_left(fd: int) -> bool:
    """True if no process writes to the file any more. The lock is held until the file is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(fd: int, size: int) -> bytes:
    parts, at = [], 0
    while at < size and (part := os.pread(fd, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _read_mark(reader: Reader, name: str) -> int:
    found = reader.value(DRAINED.name, name.encode("ascii"))
    return int(found) if found else 0
