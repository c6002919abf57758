"""Taking entries in: chains of executions on refs of their own, the same ids whenever and wherever they are imported.

Entries that follow one another and have one session are one chain. Nothing that is written depends on the time, the place or the person.
A bad entry is named and skipped; what came before it stands.
Source: docs/spec/import/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from runstore import refs
from runstore.capture.assemble import Label, assemble
from runstore.capture.importers import naming
from runstore.capture.importers.entries import Bad, Call, Entry, Session, Told
from runstore.capture.importers.report import Report, Row
from runstore.errors import InvalidInput, Refused
from runstore.runs import compose
from runstore.runs.record import Chain, Draft, checked

if TYPE_CHECKING:
    from runstore.capture.redaction import Redactor
    from runstore.repo import Repo

GROUP = 1024
Read = Callable[[str, BinaryIO], Iterator[Entry]]
Source = tuple[str, AbstractContextManager[BinaryIO]]


class Skipped(NamedTuple):
    """An entry that could not be imported: its file, its place there, and why."""

    file: str
    place: str
    reason: str


class Outcome(NamedTuple):
    """What an import did.

    `executions` counts those in the source, `new_objects` what the store did not have, `left_out` calls of no API that is known here.
    """

    executions: int
    refs: int
    new_objects: int
    new_bytes: int
    left_out: int
    skipped: tuple[Skipped, ...]
    report: tuple[Row, ...]


def import_entries(
    repo: Repo,
    format: str,
    read: Read,
    sources: Iterable[Source],
    *,
    ref: str | None = None,
    redactor: Redactor | None = None,
    rest: Callable[[], Iterator[Entry]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Import what `read` yields of each source, and `rest` after the last. With `ref`, all entries of a source are one chain on that ref.

    `progress` is called with the number of entries taken since the last call. The store is packed at the end if the import brought much of
    what it holds. What has been recorded stands if a later entry, or the store, fails.
    """
    session = _Intake(repo, format, ref, redactor)
    for name, opened in sources:
        with opened as stream:
            for entry in _each(read(name, stream)):
                session.take(name, entry)
                if progress is not None:
                    progress(1)
        session.close()
    for entry in rest() if rest is not None else ():
        session.take("", entry)
        if progress is not None:
            progress(1)
    session.close()
    session.flush()
    if session.new_objects:
        repo.pack_if_worthwhile(session.new_objects)
    rows = session.report.rows()
    left_out = sum(row.exchanges for row in rows if row.api is None)
    return Outcome(
        session.executions, len(session.refs), session.new_objects, session.new_bytes, left_out, tuple(session.skipped), tuple(rows)
    )


def _each(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield entries; what ends the reading of a source is the last of them."""
    try:
        yield from entries
    except InvalidInput as error:
        yield Bad("", str(error))


class _Intake:
    """The state of one import: the chain that grows, the chains that wait for the next transaction, and the counts."""

    def __init__(self, repo: Repo, format: str, ref: str | None, redactor: Redactor | None) -> None:
        self._repo = repo
        self._format = format
        self._ref = None if ref is None else refs.full_name(ref)
        self._redactor = redactor
        self._importing = repo.importing()
        self._session: Session | None = None
        self._chain: list[Draft] = []
        self._waiting: list[Chain] = []
        self._size = 0
        self.report = Report()
        self.refs: set[str] = set()
        self.executions = self.new_objects = self.new_bytes = 0
        self.skipped: list[Skipped] = []

    def take(self, name: str, entry: Entry) -> None:
        """Take an entry of a source in, or note why not."""
        if isinstance(entry, Bad):
            self.skipped.append(Skipped(name, entry.place, entry.reason))
            return
        try:
            if self._redactor is not None:
                parts, _ = self._redactor.value(list(entry.session))
                entry = entry._replace(session=tuple(parts))
            if self._ref is None and entry.session != self._session:
                self.close()
                self._session = entry.session
            draft = self._call(entry) if isinstance(entry, Call) else self._told(entry)
        except (InvalidInput, Refused) as error:
            self.skipped.append(Skipped(name, entry.place, str(error)))
            return
        if draft is None:
            self.report.left_out()
            return
        self._chain.append(draft)
        self.executions += 1

    def close(self) -> None:
        """End the chain."""
        if self._chain:
            self._waiting.append(Chain(self._chain[0].ref, tuple(self._chain)))
            self._size += len(self._chain)
        self._chain, self._session = [], None
        if self._size >= GROUP:
            self.flush()

    def flush(self) -> None:
        """Record the chains that wait, in one transaction."""
        if self._waiting:
            names: dict[str, str] = {}
            with self._repo.read() as reader:
                chains = [chain._replace(ref=naming.free_name(reader, chain.ref, names)) for chain in self._waiting]
            objects, size = self._importing.record(chains)
            self.refs |= {chain.ref for chain in chains}
            self.new_objects += objects
            self.new_bytes += size
        self._waiting, self._size = [], 0

    def _call(self, entry: Call) -> Draft | None:
        notes = {**entry.notes, "import": self._format}
        if self._redactor is not None:
            notes, _ = self._redactor.value(notes)
        label = Label(session="/".join(entry.session), notes=notes, nonce=self._nonce(entry.source))
        made = assemble(entry.exchange, label, redact=self._redactor)
        if made is None:
            return None
        draft = checked(compose.draft(made.run, self._ref_of(entry.session), made.fields))
        self.report.exchange(made.facts, made.run, wire_exact=entry.exchange.wire_exact)
        return draft

    def _told(self, entry: Told) -> Draft:
        slots, fields = dict(entry.slots), dict(entry.fields)
        found: list[Any] = []
        if self._redactor is not None:
            slots, fields, found = self._redactor.told(slots, fields)
        notes = {"session": "/".join(entry.session), **(fields.get("notes") or {}), "import": self._format}
        if found:
            notes["redacted"] = found
        run = compose.run_from_mapping(slots)
        fields = {"status": "ok", **fields, "notes": notes, "nonce": self._nonce(entry.source)}
        draft = checked(compose.draft(run, self._ref_of(entry.session), fields))
        model = slots.get("model")
        api = model.get("api") if isinstance(model, dict) else None
        self.report.told(api or self._format, run, served=bool((slots.get("runtime") or {}).get("model")), redacted=bool(found))
        return draft

    def _nonce(self, source: str) -> str:
        return naming.nonce_of(self._format, source)

    def _ref_of(self, session: Session) -> str:
        return self._ref or naming.ref_of(self._format, *session)
