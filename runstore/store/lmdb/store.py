"""The store on disk: LMDB holds segments, index, tables and rows in one file, so one commit covers them all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from runstore.errors import Busy, Closed, Unavailable
from runstore.model.ids import Object
from runstore.store import directory as place
from runstore.store.lmdb import handle as handles
from runstore.store.lmdb.env import Settings
from runstore.store.lmdb.handle import Handle
from runstore.store.lmdb.read import LmdbReader
from runstore.store.table import Table

if TYPE_CHECKING:
    from runstore.store.checks import Finding, Progress
    from runstore.store.lmdb.batch import LmdbBatch
    from runstore.store.lmdb.write import LmdbWriter
    from runstore.store.protocol import Reader, Writer

TIMEOUT = 30.0


class LmdbStore:
    """A store in a directory. Threads may share it; after a fork the child opens its own. Close it, or use it as a context manager."""

    def __init__(self, directory: str, tables: tuple[Table, ...], settings: Settings, *, read_only: bool, timeout: float) -> None:
        self.directory = directory
        self.read_only = read_only
        self._tables = tables
        self._settings = settings
        self._timeout = timeout
        self._pid = os.getpid()
        self._handle: Handle | None = None

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        tables: Iterable[Table] = (),
        *,
        create: bool = False,
        read_only: bool = False,
        timeout: float = TIMEOUT,
        settings: Settings | None = None,
    ) -> LmdbStore:
        """Open the store in a directory; make it if `create` and it is not there.

        `timeout` is how many seconds to wait for other writers, here and in `write`. With `read_only`, no lock is waited for and `write`
        raises Unavailable. Raises NoStore, Damaged, Refused (a newer format), Busy or Unavailable.
        """
        path = os.path.abspath(os.fspath(directory))
        if create and not place.is_store(path):
            place.make_directory(path, hide=os.path.basename(path) == place.DEFAULT_NAME)
        elif not place.is_store(path):
            place.read_current(path)
        place.check_format(path)
        kind = place.network_file_system(path)
        if kind is not None:
            warnings.warn(
                f"{path} is on a network file system ({kind}): stores need a local one (docs/reliability.md)",
                place.NetworkFileSystem,
                stacklevel=2,
            )
        store = cls(path, tuple(tables), settings or Settings(), read_only=read_only, timeout=timeout)
        store._acquire(create=create)
        return store

    def _acquire(self, *, create: bool) -> Handle:
        self._handle = handles.acquire(
            self.directory, self._tables, self._settings, create=create, writable=not self.read_only, timeout=self._timeout
        )
        return self._handle

    @property
    def handle(self) -> Handle:
        """What this process shares on the directory. Raises Closed."""
        handle = self._handle
        if handle is None:
            raise Closed(f"the store {self.directory} is closed")
        pid = os.getpid()
        if pid != self._pid:
            self._pid = pid
            handle = self._acquire(create=False)
        return handle

    @property
    def is_open(self) -> bool:
        """True until it is closed."""
        return self._handle is not None

    def __enter__(self) -> LmdbStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> LmdbReader:
        """Open a snapshot of what is committed now. Keep it short: an open snapshot keeps old pages from being reused."""
        return LmdbReader(self.handle)

    def write(self, *, now: int | None = None) -> LmdbWriter:
        """Take the write lock and begin; commit when the context ends, roll back if it raises. Raises Busy, Unavailable.

        `now` (microseconds since 1970 UTC) lets the store note, at most once an hour, which objects were there by then.
        """
        if self.read_only:
            raise self._refusal()
        from runstore.store.lmdb.write import LmdbWriter  # commands that only read are spared it

        return LmdbWriter(self.handle, self._timeout, now)

    def _refusal(self) -> Unavailable:
        return Unavailable(f"{self.directory} was opened for reading only", hint="open it without read_only to change it", kind="read-only")

    def prepare(self, objects: Iterable[Object], reader: Reader | None = None) -> LmdbBatch:
        """Do outside the lock all that `put` can do before it: drop what is there, group by lane, compress. Raises LimitExceeded.

        `reader` is a snapshot of this store that is open, to look in.
        """
        from runstore.store.lmdb.batch import prepare

        given = list(objects)
        if isinstance(reader, LmdbReader):
            return prepare(reader, given)
        with self.read() as own:
            return prepare(own, given)

    def known(self, id: bytes) -> bool:
        """True if this process remembers that the object is stored in the current generation. False says nothing."""
        env = self.handle.env
        return not env.damaged and id in env.known

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Copy the objects at the addresses that `order` gives, in that order, into a new data file, and move the store there.

        Other writers wait, readers do not. Atomic: a crash leaves the old file or the new one in force. Raises Damaged if an object in
        the order cannot be read, Busy, Unavailable; then nothing has changed.
        """
        if self.read_only:
            raise self._refusal()
        from runstore.store.lmdb.rewrite import rewrite

        return rewrite(self.handle, self._timeout, order, level=level, rebuild=rebuild)

    def addresses_at(self, time: int) -> dict[int, int]:
        """As Reader.addresses_at, of what is committed now."""
        with self.read() as reader:
            return reader.addresses_at(time)

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As Reader.protected_since, of what is committed now."""
        with self.read() as reader:
            return reader.protected_since(time, now=now)

    @contextmanager
    def lease(self, *, now: int, seconds: int = 3600) -> Iterator[None]:
        """Keep a collector from dropping what is added from now on, by anybody, until the context ends.

        It ends at the latest `seconds` after `now` (microseconds since 1970 UTC), or when this process does. Costs two transactions,
        so it is not for use inside one.
        """
        from runstore.store.lmdb import marks

        key = marks.LEASE + os.urandom(16)
        with self.write() as writer:
            writer.set_lease(key, marks.own_lease(now + seconds * 1_000_000, writer.next_addresses()))
        try:
            yield
        finally:
            # A lease that cannot be ended now ends by itself: no reason to fail what was done under it.
            with suppress(Busy, Unavailable), self.write() as writer:
                writer.set_lease(key, None)

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Yield what is wrong with the stored bytes, nothing if all is well: every object is read, and the index compared both ways."""
        from runstore.store.lmdb.verify import verify

        return verify(self, progress or (lambda _: None))

    def stat(self) -> Mapping[str, Any]:
        """Counts and byte sizes: objects and bytes by kind and lane, segments by tier, pages by table."""
        from runstore.store.lmdb.stat import stat

        with self.read() as reader:
            return stat(reader)

    def close(self) -> None:
        """Release the store. Idempotent; afterwards every use raises Closed."""
        handle, self._handle = self._handle, None
        if handle is not None and self._pid == os.getpid():
            handles.release(handle)
