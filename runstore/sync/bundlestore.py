"""A bundle read where it lies, as a store that cannot be written: `log`, `show` and fetching work on it.

Every object is verified when it is read. The derived tables are built in memory when they are first asked for, which reads the bundle once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from runstore.errors import Closed, Damaged, Refused, Unavailable
from runstore.runs.index import Indexer, mark_current
from runstore.store.checks import Finding, Progress
from runstore.store.frames import Segment
from runstore.store.protocol import Reader, Table, Writer
from runstore.sync.bundle import read_header
from runstore.sync.bundlereader import BundleReader, Tables
from runstore.sync.packs import PackFile
from runstore.sync.unwritten import Unwritten, rows_of_refs

_CACHED = 32


class BundleStore(Unwritten):
    """A bundle file as a read-only store. Threads may share it. Close it, or use it as a context manager."""

    def __init__(self, path: str, tables: Iterable[Table]) -> None:
        self.path = path
        self._file = _open(path)
        self._lock = threading.RLock()
        try:
            self.header, start = read_header(self._file)
            self.pack = PackFile(self._file, start)
        except Refused as error:
            self._file.close()
            raise Refused(f"{path}: {error}", hint=error.hint, kind=error.kind) from error
        self.checked = bytearray(len(self.pack.index))
        self.numbers = {own: number for number, own in enumerate(self.pack.index.ids())}
        self._tables = Tables(rows_of_refs(self.header.refs))
        self._derived = frozenset(table.name for table in tables if table.derived)
        self._segments: dict[int, Segment] = {}

    def __enter__(self) -> BundleStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def segment(self, number: int) -> Segment:
        """Return the content of a frame. Raises Damaged."""
        with self._lock:
            found = self._segments.pop(number, None)
            if found is None:
                if self._file.closed:
                    raise Closed(f"the bundle {self.path} is closed")
                try:
                    found = self.pack.segment(number)
                except Refused as error:
                    raise Damaged(f"{self.path}: {error}", hint="copy the bundle again") from error
                while len(self._segments) >= _CACHED:
                    del self._segments[next(iter(self._segments))]
            self._segments[number] = found
            return found

    def tables(self, table: str) -> Tables:
        """Return the tables; before a derived one is looked at for the first time, all of them are filled."""
        with self._lock:
            if table in self._derived:
                self._derived = frozenset()
                filler = _Filler(self)
                Indexer().add(cast("Writer", filler), filler.reader.objects())
                mark_current(cast("Writer", filler))
            return self._tables

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open the bundle for reading."""
        if self._file.closed:
            raise Closed(f"the bundle {self.path} is closed")
        yield BundleReader(self)

    def refusal(self) -> Unavailable:
        """Return the error for what writes."""
        return Unavailable(f"{self.path} is a bundle, which is only read", hint="`runstore clone` makes a store of it", kind="read-only")

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Yield the first thing that is wrong with the bytes, or nothing."""
        try:
            with self._lock:
                for count, _ in enumerate(self.pack.objects(), 1):
                    if progress is not None and not count % 1000:
                        progress(1000)
        except Refused as error:
            yield Finding("damaged", self.path, str(error))

    def stat(self) -> Mapping[str, Any]:
        """Counts of objects and frames, and bytes."""
        headers = self.pack.index.headers
        return {
            "objects": len(self.pack.index),
            "segments": len(headers),
            "raw_bytes": sum(header.raw for header in headers),
            "frame_bytes": sum(header.length for header in headers),
        }

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


class _Filler:
    """Stands in for the Writer of an Indexer: reads from the bundle, and writes to its tables in memory."""

    def __init__(self, store: BundleStore) -> None:
        self._tables = store.tables("")
        self.reader = BundleReader(store)
        self.generation = 0
        self.address = self.reader.address
        self.get = self.reader.get
        self.at = self.reader.at
        self.value = self.reader.value

    def rows(self, table: str, prefix: bytes) -> Iterator[bytes]:
        return iter(())

    def add_rows(self, table: str, rows: Iterable[bytes]) -> None:
        self._tables.rows[table] = sorted({*self._tables.rows.get(table, ()), *rows})

    def set_value(self, table: str, key: bytes, value: bytes) -> None:
        self._tables.values.setdefault(table, {})[key] = value


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
