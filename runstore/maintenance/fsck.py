"""Checking a store: are the stored bytes what their ids say, is the form of every object right, is all there that is linked to, and do the
derived tables follow from the objects?

`fast` leaves out what needs every body decoded: strict form, rules over links, and the derived tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from runstore import refs
from runstore.errors import Damaged, NotFound, RunstoreError
from runstore.maintenance.walk import reachable, roots
from runstore.model.ids import Kind, Link, Object
from runstore.model.lists import check_structure
from runstore.model.objects import check_run, links_of, verify_body
from runstore.model.slots import is_run
from runstore.model.trees import decode_tree
from runstore.runs.absence import absence
from runstore.runs.index import Indexer
from runstore.runs.tables import TABLES
from runstore.store.protocol import Reader, Store, Writer

Progress = Callable[[int], None]


class Finding(NamedTuple):
    """Something wrong: a stable `code`, what it concerns (a link, ref or address as text), and a sentence."""

    code: str
    subject: str
    message: str


def fsck(store: Store, *, fast: bool = False, progress: Progress | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a store; nothing if it is whole. Reads a snapshot and changes nothing."""
    whole = True
    for code, subject, message in store.verify(progress=progress):
        whole = False
        yield Finding(code, subject, message)
    with store.read() as reader:
        yield from _refs(reader)
        yield from _connectivity(reader)
        if not fast:
            yield from _bodies(reader)
            if whole:  # else the tables have rows of what cannot be read, and nothing to compare them with
                yield from _derived(reader)


def _refs(reader: Reader) -> Iterator[Finding]:
    for ref in refs.each(reader):
        if reader_address(reader, ref.target.id) is None:
            yield Finding("ref-to-nothing", ref.name, f"the ref {ref.name} leads to {ref.target}, which is not here")


def _connectivity(reader: Reader) -> Iterator[Finding]:
    seen: set[int] = set()
    missing: set[bytes] = set()
    try:
        for _, obj in reachable(reader, roots(reader), seen):
            for link in links_of(obj.kind, obj.body):
                if link.id not in missing and reader_address(reader, link.id) is None and absence(reader, link.id) is None:
                    missing.add(link.id)
                    yield Finding("missing", str(link), f"{link} is not here, and {obj.link} links to it")
    except Damaged as error:
        yield Finding("damaged", "walk", f"what lies behind could not be walked: {error}")


def _bodies(reader: Reader) -> Iterator[Finding]:
    for _, obj in reader.sound(lambda lost: None):  # reported by the store's own check
        try:
            verify_body(obj.kind, obj.body)
            _rules(reader, obj)
        except NotFound:
            continue  # reported as missing
        except RunstoreError as error:
            yield Finding("malformed", str(obj.link), f"{obj.link}: {error}")


def _rules(reader: Reader, obj: Object) -> None:
    if obj.kind == Kind.TREE:
        slots = decode_tree(obj.body)
        for link in slots.values():
            if isinstance(link, Link) and link.kind == Kind.LIST:
                check_structure(link, reader.get)
        if is_run(slots):
            check_run(obj, reader.get)


def _derived(reader: Reader) -> Iterator[Finding]:
    expected = _Collector(reader)
    indexer = Indexer()
    indexer.add(cast(Writer, expected), reader.objects())
    for table in TABLES:
        if table.row_bytes is None:
            continue
        actual, wanted = set(reader.rows(table.name)), expected.found.get(table.name, set())
        if actual != wanted:
            fact = f"lacks {len(wanted - actual)} rows and has {len(actual - wanted)} too many"
            yield Finding("index", table.name, f"the derived table {table.name} {fact}; `runstore reindex` builds it anew")


class _Collector:
    """Stands in for the Writer of an Indexer: keeps the rows instead of storing them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.found: dict[str, set[bytes]] = {}
        self.generation = reader.generation
        self.address = reader.address
        self.get = reader.get
        self.at = reader.at
        self.value = reader.value

    def rows(self, table: str, prefix: bytes) -> Iterator[bytes]:
        """Nothing is taken over from the tables that are being checked."""
        return iter(())

    def add_rows(self, table: str, rows: list[bytes]) -> None:
        self.found.setdefault(table, set()).update(rows)


def reader_address(reader: Reader, id: bytes) -> int | None:
    """Return an object's address, or None if it is not here or not readable (which is reported where it lies)."""
    try:
        return reader.address(id)
    except Damaged:
        return None
