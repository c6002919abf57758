"""A store in one process: its open data file, its lock, and the way from a data file that was moved to the one in force.

The engine allows one open environment for a file and process, so all `LmdbStore`s on one directory share a handle. A forked child must
not touch what it inherited: it forgets the handles (and keeps the environments from being closed), and opens its own.
"""

from __future__ import annotations

import os
from _thread import RLock, allocate_lock  # `threading` takes a millisecond to import
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import lmdb

from runstore.errors import Busy, Closed, Damaged, InvalidInput, RunstoreError, Unavailable
from runstore.store import directory as place
from runstore.store.lmdb.env import MOVED_KEY, Env, Settings, create_env, open_env, remove_file
from runstore.store.lmdb.errors import translate
from runstore.store.lmdb.fork import INHERITED, on_fork
from runstore.store.table import Table

if TYPE_CHECKING:
    from runstore.store.lmdb.lock import WriteLock

# A process that read CURRENT just before a rewrite finds its data file gone and reads again; more often than this it is not chance.
_ATTEMPTS = 20
# After so many transactions a writer looks for readers that died: the pages of their moment are kept until then.
_READER_CHECKS = 256


class Handle:
    """What the stores of one process on one directory share. Counted by `acquire` and `release`."""

    def __init__(self, directory: str, settings: Settings) -> None:
        self.directory = directory
        self.settings = settings
        self.timeout = 30.0
        self.tables: dict[str, Table] = {}
        self.stores = 0
        self._begun = 0
        self.writable = False
        self._env: Env | None = None
        self._closed = False
        self._guard = RLock()

    @property
    def lock(self) -> WriteLock:
        """The lock that writers take, made when it is first asked for: what only reads needs none."""
        made: WriteLock | None = self.__dict__.get("_lock")
        if made is None:
            from runstore.store.lmdb.lock import WriteLock

            made = self.__dict__.setdefault("_lock", WriteLock(os.path.join(self.directory, place.LOCK)))  # threads get the same one
        return made

    def open(self, tables: Iterable[Table], *, writable: bool, timeout: float) -> None:
        """Open the data file in force, or add tables and the right to write to what is open. Raises what opening raises."""
        with self._guard:
            self.timeout = timeout
            self.tables.update((table.name, table) for table in tables)
            env = self._env
            if writable and not self.writable and env is not None:
                if env.users:
                    found = f"{self.directory} is being read by a store that was opened for reading only"
                    raise Unavailable(found, hint="end its snapshots first")
                env.close()
                self._env = None
            self.writable = self.writable or writable
            self._closed = False
            if self.env.writable:
                self._add_tables(timeout)
                self._tidy()

    def _in_force(self, writable: bool, timeout: float) -> Env:
        name = place.read_current(self.directory)
        for _ in range(_ATTEMPTS):
            env = self._open_file(os.path.join(self.directory, name), writable, timeout)
            if env is None:
                name = place.read_current(self.directory)
                continue
            # The mark in a file is the moment of moving; CURRENT follows it, and may lag behind after a crash.
            moved = self._moved(env)
            if moved is None:
                return env
            env.close()
            name = moved
        raise Damaged(f"{self.directory} names {name}, which is not there", hint="CURRENT must name a data file of the directory")

    def _open_file(self, path: str, writable: bool, timeout: float) -> Env | None:
        # Opening tables takes the engine's writer lock, which waits for ever; ours waits so long, and is free during a rewrite.
        locked = False
        if writable and os.path.exists(path) and not self.lock.is_mine():
            try:
                self.lock.acquire(timeout, opening=True)
                locked = True
            except Unavailable:
                writable = False
        try:
            return open_env(path, self.tables.values(), self.settings, writable=writable)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise translate(error, path) from error
        except Damaged as error:
            # The engine makes a file that was removed under its feet anew and empty: not ours, and not the one in force.
            if error.kind == "no-tables" and place.read_current(self.directory) != os.path.basename(path):
                remove_file(path)
                return None
            raise
        finally:
            if locked:
                self.lock.release()

    def _moved(self, env: Env) -> str | None:
        with env.raw.begin() as txn:
            moved = txn.get(MOVED_KEY, db=env.meta)
        if moved is None:
            return None
        name = bytes(moved).decode("ascii", "replace")
        if not place.is_data_name(name):
            raise Damaged(f"{env.path} says that the store moved to a place with no valid name", hint="`runstore fsck` tells the extent")
        return name

    def _add_tables(self, timeout: float) -> None:
        env = self.env
        missing = [table for table in self.tables.values() if table.row_bytes is None and table.name not in env.values]
        if not missing or not env.writable:
            return
        self.lock.acquire(timeout)
        try:
            env.open_tables(missing, create=True)
        except lmdb.Error as error:
            raise translate(error, env.path) from error
        finally:
            self.lock.release()

    def _tidy(self) -> None:
        """Finish what a crashed rewrite began: let CURRENT name the file in force, and remove the others. Later, if somebody is writing."""
        env = self.env
        if not env.writable or not (
            place.leftovers(self.directory, env.path) or place.read_current(self.directory) != os.path.basename(env.path)
        ):
            return
        try:
            self.lock.acquire(0)
        except Busy:
            return
        try:
            if self._moved(env) is None:
                self.put_in_force(env)
        finally:
            self.lock.release()

    def put_in_force(self, env: Env) -> None:
        """Let CURRENT name a data file, and remove all others. The caller holds the lock, and the file is not marked as moved."""
        name = os.path.basename(env.path)
        try:
            if place.read_current(self.directory) != name:
                place.write_current(self.directory, name)
            for leftover in place.leftovers(self.directory, env.path):
                os.unlink(leftover)
        except OSError as error:
            raise translate(error, self.directory) from error

    def create(self, tables: Iterable[Table], timeout: float) -> None:
        """Make the first data file, unless another process was faster. The directory is there."""
        self.lock.acquire(timeout)
        try:
            if not place.is_store(self.directory):
                name = place.data_name(0)
                create_env(os.path.join(self.directory, name), tables, self.settings, 0).close()
                place.write_current(self.directory, name)
        except OSError as error:
            raise translate(error, self.directory) from error
        finally:
            self.lock.release()

    def table(self, name: str, *, rows: bool) -> Table:
        """Return a table's description. Raises InvalidInput if the store was not opened with it, or it is of the other sort."""
        table = self.tables.get(name)
        if table is None or (table.row_bytes is not None) is not rows:
            raise InvalidInput(f"the store has no table of {'rows' if rows else 'keys and values'} named {name}", kind="no-such-table")
        return table

    @property
    def env(self) -> Env:
        """The data file last known to be in force, opened if need be. Raises Closed, and what opening raises."""
        env = self._env
        if env is None:
            with self._guard:
                if self._closed:
                    raise Closed(f"the store {self.directory} is closed")
                env = self._env
                if env is None:
                    env = self._env = self._in_force(self.writable, self.timeout)
        return env

    def begin_read(self) -> tuple[Env, Any]:
        """Begin a read transaction on the data file in force, and count its user. Raises Closed, Damaged, Busy, Unavailable."""
        for _ in range(_ATTEMPTS):
            env = self.env
            with self._guard:
                if env.retired or env.fd < 0:
                    continue
                env.users += 1
            try:
                txn = self._begin(env) if env.check_file() else None
                if txn is not None:
                    if txn.get(MOVED_KEY, db=env.meta) is None:
                        return env, txn
                    txn.abort()
            except lmdb.PanicError:
                env.broken = True
            except lmdb.Error as error:
                self.leave(env)
                raise translate(error, env.path) from error
            except RunstoreError:
                self.leave(env)
                raise
            self.leave(env)
            self._give_up(env)
        raise self._never_in_force()

    def _begin(self, env: Env) -> Any:
        try:
            return env.raw.begin()
        except lmdb.ReadersFullError:
            env.raw.reader_check()  # places of processes that died
            return env.raw.begin()

    def begin_write(self, timeout: float) -> tuple[Env, Any]:
        """Take the lock and begin the write transaction on the data file in force. Raises Busy, Unavailable, Damaged, Closed."""
        self.lock.acquire(timeout)
        try:
            return self._begin_locked()
        except lmdb.Error as error:
            self.lock.release()
            raise translate(error, self.directory) from error
        except BaseException:
            self.lock.release()
            raise

    def _begin_locked(self) -> tuple[Env, Any]:
        for _ in range(_ATTEMPTS):
            env = self.env
            if not env.writable:
                raise Unavailable(f"{env.path} may not be written", hint="check the permissions of the store's directory", kind="read-only")
            try:
                txn = env.raw.begin(write=True) if env.check_file() else None
            except lmdb.PanicError:
                txn, env.broken = None, True
            if txn is not None:
                if txn.get(MOVED_KEY, db=env.meta) is None:
                    with self._guard:
                        env.users += 1
                    self._begun += 1
                    if self._begun % _READER_CHECKS == 0:
                        env.raw.reader_check()
                    return env, txn
                txn.abort()
            self._give_up(env)
        raise self._never_in_force()

    def _never_in_force(self) -> Damaged:
        return Damaged(f"{self.directory}: no data file stays in force", hint="CURRENT must name a data file of the directory")

    def leave(self, env: Env) -> None:
        """Uncount a user of a data file; the last one closes a file that is out of force."""
        with self._guard:
            env.users -= 1
            if env.retired and env.users <= 0:
                env.close()

    def _give_up(self, old: Env) -> None:
        """Let a data file go that is not in force, or that the engine refuses since an error; the next use opens the one in force."""
        with self._guard:
            if self._env is not old:
                return
            if old.broken and old.users:  # a file is opened once in a process
                raise Unavailable(f"{old.path} is unusable since an error, and still being read", hint="end the snapshots and try again")
            self._env = None
            self._retire(old)

    def _retire(self, old: Env) -> None:
        old.retired = True
        if not old.users:
            old.close()

    def replace(self, new: Env) -> None:
        """Put a data file in force that this process has made; the old one is closed when its last reader ends."""
        with self._guard:
            old, self._env = self.env, new
            self._retire(old)

    def close(self) -> None:
        """Close the data file and the lock. Transactions still open end."""
        with self._guard:
            self._closed = True
            env, self._env = self._env, None
            if env is not None:
                env.close()
            if "_lock" in self.__dict__:
                self.lock.close()


_HANDLES: dict[str, Handle] = {}
_LOCK = allocate_lock()


def acquire(directory: str, tables: Iterable[Table], settings: Settings, *, create: bool, writable: bool, timeout: float) -> Handle:
    """Return this process's handle on a store's directory, opened or made. Settings count for whoever comes first."""
    key = os.path.realpath(directory)
    tables = tuple(tables)
    with _LOCK:
        handle = _HANDLES.get(key) or Handle(directory, settings)
        if create and not place.is_store(directory):
            handle.create(tables, timeout)
        handle.open(tables, writable=writable, timeout=timeout)
        handle.stores += 1
        _HANDLES[key] = handle
        return handle


def release(handle: Handle) -> None:
    """Give a handle back; the last store closes it."""
    with _LOCK:
        handle.stores -= 1
        if handle.stores <= 0:
            for key in [key for key, value in _HANDLES.items() if value is handle]:
                del _HANDLES[key]
            handle.close()


def _forget_all() -> None:
    global _LOCK
    _LOCK = allocate_lock()
    INHERITED.extend(_HANDLES.values())
    _HANDLES.clear()


on_fork(_forget_all)
