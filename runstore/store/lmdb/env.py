"""One data file, open: the engine's environment, its tables, and what this process remembers of it.

A data file is opened only after its head and length were checked with plain reads, once in a process, and never across a fork.
`known` and `cache` belong to the file, so they end with it when a rewrite moves the store.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import lmdb

from runstore.errors import Damaged, Refused, RunstoreError, Unavailable
from runstore.store.cache import Known, SegmentCache
from runstore.store.lmdb.errors import code, is_read_only, translate
from runstore.store.lmdb.header import Head, read_head
from runstore.store.table import Table
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.store.lmdb.join import Tail

FORMAT = 1
META, SEGMENTS, ROWS = b"meta", b"segments", b"rows"
FORMAT_KEY, GENERATION_KEY, MOVED_KEY = b"format", b"generation", b"moved"
MAP_SIZE = 1 << 40
# Where the system refuses a map of 1 TiB (RLIMIT_AS, small address spaces), the next that it grants.
SMALLER_MAPS = (1 << 36, 1 << 33, 1 << 31, 1 << 28)
MAX_READERS = 254
MAX_TABLES = 64
FILE_MODE = 0o600
NEVER = -(1 << 62)


class Settings(NamedTuple):
    """How to open data files. `durable=False` is for tests and throw-away stores: commits are not flushed to the disk."""

    map_size: int = MAP_SIZE
    cache_bytes: int = 32 << 20
    durable: bool = True


@lru_cache(MAX_TABLES)
def key_of(table: str) -> bytes:
    """Return the name under which a table of a higher layer is kept: apart from our own."""
    return b"." + table.encode("ascii")


class Env:
    """An open data file. Made by `open_env` and `create_env`; closed once."""

    def __init__(self, raw: lmdb.Environment, path: str, *, writable: bool, settings: Settings) -> None:
        self.raw = raw
        self.path = path
        self.writable = writable
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.generation = -1
        self.meta: Any = None
        self.segments: Any = None
        self.rows: Any = None
        self.values: dict[str, Any] = {}
        self.cache = SegmentCache(settings.cache_bytes)
        self.known = Known()
        self.tails: tuple[int, dict[int, Tail]] = (-1, {})
        self.last_mark = NEVER
        self.users = 0
        self.retired = False
        self.broken = False
        # Once damage was met, that an object is here no longer says that all it leads to is.
        self.damaged = False

    def check_file(self) -> bool:
        """Return False if the file was removed from its directory. Raises Damaged if it was cut short since it was opened."""
        known = self.size  # read first: another thread may see the file grow meanwhile
        status = os.fstat(self.fd)
        if status.st_size < known:
            found = f"{self.path} was cut short while open: {status.st_size:,} bytes of {known:,}"
            raise Damaged(found, hint="bring it back from a copy")
        self.size = status.st_size
        return status.st_nlink > 0

    def open_tables(self, tables: Iterable[Table], *, create: bool) -> None:
        """Open our tables and the key-value tables named. A missing one stays closed unless `create`. Takes the engine's writer lock."""
        with self.raw.begin(write=True) as txn:
            self._open_own(txn, create)
            self._open_values(tables, txn, create)

    def open_tables_for_reading(self, tables: Iterable[Table]) -> None:
        """Open what there is, in an environment that is itself read-only: no lock is taken."""
        self._open_own(None, False)
        self._open_values(tables, None, False)

    def _open_own(self, txn: Any, create: bool) -> None:
        raw = self.raw
        if self.meta is None:
            try:
                self.meta = raw.open_db(META, txn=txn, create=create)
                self.segments = raw.open_db(SEGMENTS, txn=txn, create=create)
                self.rows = raw.open_db(ROWS, txn=txn, create=create, dupsort=True, dupfixed=True)
            except lmdb.NotFoundError:
                raise Damaged(f"{self.path} holds no store", hint="bring it back from a copy", kind="no-tables") from None

    def _open_values(self, tables: Iterable[Table], txn: Any, create: bool) -> None:
        for table in tables:
            if table.row_bytes is None and table.name not in self.values:
                with contextlib.suppress(lmdb.NotFoundError):
                    self.values[table.name] = self.raw.open_db(key_of(table.name), txn=txn, create=create)

    def read_format(self) -> None:
        """Learn the generation. Raises Damaged or Refused if this is no store of our format."""
        with self.raw.begin() as txn:
            version = txn.get(FORMAT_KEY, db=self.meta)
            generation = txn.get(GENERATION_KEY, db=self.meta)
        if version != b"%d" % FORMAT:
            if version is not None and version.isdigit():
                text = version.decode()[:20]
                raise Refused(
                    f"{self.path} has store format {text}, and this program reads {FORMAT}",
                    hint="use a newer runstore",
                    kind="newer-format",
                )
            raise Damaged(f"{self.path} does not say its format", hint="bring it back from a copy")
        if generation is None or not generation.isdigit():
            raise Damaged(f"{self.path} does not say its generation", hint="bring it back from a copy")
        self.generation = int(generation)

    def close(self) -> None:
        """Close the engine's environment; transactions still open in it end. Idempotent."""
        if self.fd >= 0:
            self.raw.close()
            os.close(self.fd)
            self.fd = -1


def open_env(path: str, tables: Iterable[Table], settings: Settings, *, writable: bool) -> Env:
    """Open an existing data file; without write permission, for reading only.

    Raises FileNotFoundError if it is not there, Damaged, Refused or Unavailable if it cannot be used.
    """
    _check_length(path)
    if writable:
        try:
            return _open_checked(path, tables, settings, writable=True, lock=True)
        except lmdb.Error as error:
            if not is_read_only(error):
                raise translate(error, path) from error
    try:
        return _open_checked(path, tables, settings, writable=False, lock=True)
    except lmdb.Error as error:
        if code(error) == errno.ENOENT:  # removed since its length was checked: the store moved
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
        if not is_read_only(error):
            raise translate(error, path) from error
    try:  # Not even the lock file may be written: read without telling the writers (docs/reliability.md).
        return _open_checked(path, tables, settings, writable=False, lock=False)
    except lmdb.Error as error:
        raise translate(error, path) from error


def create_env(path: str, tables: Iterable[Table], settings: Settings, generation: int) -> Env:
    """Make a new data file with empty tables, replacing what stood there. The caller holds the store's lock. Raises Unavailable."""
    remove_file(path)
    try:
        raw = _open_raw(path, settings, writable=True, lock=True)
    except lmdb.Error as error:
        raise translate(error, path) from error
    env = Env(raw, path, writable=True, settings=settings)
    try:
        env.open_tables(tables, create=True)
        with raw.begin(write=True) as txn:
            txn.put(FORMAT_KEY, b"%d" % FORMAT, db=env.meta)
            txn.put(GENERATION_KEY, b"%d" % generation, db=env.meta)
    except lmdb.Error as error:
        env.close()
        raise translate(error, path) from error
    env.generation = generation
    return env


def remove_file(path: str) -> None:
    """Remove a data file and its lock file, where they are."""
    for name in (path, path + "-lock"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _check_length(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        head = read_head(fd, path)
        size = os.fstat(fd).st_size
        # The engine may leave free pages at the end unwritten, so a short file is no damage in itself.
        if size < head.needed and not _all_within(fd, head, size):
            raise Damaged(f"{path} is cut short: {size:,} bytes of {head.needed:,}", hint="bring it back from a copy")
    finally:
        os.close(fd)


def _all_within(fd: int, head: Head, size: int) -> bool:
    from runstore.store.lmdb.pages import all_within  # hardly ever needed, and opening is on the way of every command

    return all_within(fd, head, size)


def _open_checked(path: str, tables: Iterable[Table], settings: Settings, *, writable: bool, lock: bool) -> Env:
    raw = _open_raw(path, settings, writable=writable, lock=lock)
    env = None
    try:
        env = Env(raw, path, writable=writable, settings=settings)
        if writable:
            env.open_tables(tables, create=False)
        else:
            env.open_tables_for_reading(tables)
        env.read_format()
        if lock:
            raw.reader_check()
    except (lmdb.Error, RunstoreError, OSError):
        if env is None:
            raw.close()
        else:
            env.close()
        raise
    return env


def _open_raw(path: str, settings: Settings, *, writable: bool, lock: bool) -> lmdb.Environment:
    options: dict[str, Any] = {"subdir": False, "readonly": not writable, "lock": lock, "mode": FILE_MODE, "max_dbs": MAX_TABLES}
    # Spare transactions hold a reader's slot across a fork; none are kept.
    options.update(max_readers=MAX_READERS, max_spare_txns=0, readahead=False, sync=settings.durable, metasync=settings.durable)
    # py-lmdb carries two engines; a variable of the environment must not choose the other.
    options["lib_version"] = 0
    if lock and not os.path.exists(path + "-lock"):
        from runstore.store.lmdb.lockfile import reserve  # the file is there nearly always

        try:
            reserve(path, FILE_MODE)
        except OSError as error:
            if writable:
                raise translate(error, path) from error
            options["lock"] = False
    for size in (settings.map_size, *(smaller for smaller in SMALLER_MAPS if smaller < settings.map_size)):
        try:
            return lmdb.open(os.fsencode(path), map_size=size, **options)
        except lmdb.Error as error:
            if code(error) != errno.ENOMEM and not isinstance(error, lmdb.MemoryError):
                raise
    raise Unavailable(f"the system grants no memory map for {path}", hint="raise the limit on address space (ulimit -v)")
