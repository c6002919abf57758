"""A table of rows in SQLite, each row one call as JSON: what most people would write first."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from zstandard import ZstdCompressor, ZstdDecompressor

from benchmarks.call import Call, compact
from benchmarks.peers.protocol import Peer

SCHEMA = """
CREATE TABLE calls (key TEXT PRIMARY KEY, started INTEGER, model TEXT, line TEXT, body BLOB);
CREATE INDEX by_time ON calls (started);
"""


class SqliteJson(Peer):
    """JSON text in the rows, write-ahead log, every commit synced."""

    name: ClassVar[str] = "SQLite, JSON rows"
    settling: ClassVar[str] = "vacuum"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.db = sqlite3.connect(directory / "calls.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(SCHEMA)

    def pack(self, body: bytes) -> bytes:
        return body

    def unpack(self, body: bytes) -> bytes:
        return body

    def add(self, prepared: Call) -> None:
        self.db.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", self._row(prepared))

    def add_all(self, prepared: Sequence[Call]) -> None:
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", self._rows(prepared))
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def settle(self) -> None:
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(self, call: Call) -> Any:
        (body,) = self.db.execute("SELECT body FROM calls WHERE key = ?", (call.key,)).fetchone()
        return json.loads(self.unpack(body))

    def log(self, count: int) -> int:
        return len(self.db.execute("SELECT key, started, model, line FROM calls ORDER BY started DESC LIMIT ?", (count,)).fetchall())

    def close(self) -> None:
        self.db.close()

    def _row(self, call: Call) -> tuple[str, int, str, str, bytes]:
        return call.key, call.started, call.model, call.line(), self.pack(compact(call.record()))

    def _rows(self, calls: Iterable[Call]) -> Iterable[tuple[str, int, str, str, bytes]]:
        return map(self._row, calls)


class SqliteZstd(SqliteJson):
    """The same, with each body compressed on its own."""

    name: ClassVar[str] = "SQLite, JSON+zstd rows"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.compressor, self.decompressor = ZstdCompressor(level=3), ZstdDecompressor()

    def pack(self, body: bytes) -> bytes:
        return self.compressor.compress(body)

    def unpack(self, body: bytes) -> bytes:
        return self.decompressor.decompress(body)
