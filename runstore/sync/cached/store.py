"""The store in a bucket: a cache on this machine, a thread that pushes groups, and the bucket.

A write returns when the cache has it, durable on this machine's disk. `flush` and `close` return when the root of the bucket lists it. What
a killed process had not pushed is pushed by whoever opens the cache next.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, cast

from runstore.errors import Busy, Conflict, NoStore, RunstoreError, Unavailable
from runstore.model.ids import Object
from runstore.runs.index import Indexer, rebuild
from runstore.runs.tables import INDEX_STATE, is_current
from runstore.store.checks import Finding, Progress
from runstore.store.lmdb.store import LmdbStore
from runstore.store.protocol import Batch, Reader, Table, Writer
from runstore.sync.bucket.bucket import Bucket, pause
from runstore.sync.bucket.compact import tend
from runstore.sync.bucket.connect import open_bucket
from runstore.sync.bucket.store import BucketStore
from runstore.sync.cached.counting import CountingWriter
from runstore.sync.cached.demand import DemandReader
from runstore.sync.cached.evict import LIMIT, evict
from runstore.sync.cached.groups import Grouping, Pusher
from runstore.sync.cached.incoming import Surroundings, bring_in
from runstore.sync.cached.outgoing import Pending, push_group
from runstore.sync.cached.place import directory_for
from runstore.sync.cached.tracked import TRACKED, store_id, unpushed, was_probed
from runstore.sync.local import QUARANTINE

_LOCK = "bucket.lock"
_PATIENCE = 600.0
READERS_WAIT = 5.0


class BucketBackedStore:
    """A store whose runs lie in a bucket. Threads and processes may share its cache. Close it, or use it as a context manager."""

    def __init__(
        self, bucket: Bucket, cache: LmdbStore, about: Surroundings, *, read_only: bool = False, grouping: Grouping, limit: int = LIMIT
    ) -> None:
        self.bucket = bucket
        self.cache = cache
        self.directory = cache.directory
        self.read_only = read_only
        self._about = about
        self._limit = limit
        self._pid = os.getpid()
        self._thread_lock = threading.RLock()
        self._writing = threading.local()
        self._pusher = Pusher(self.flush, grouping)
        self._pending = Pending()
        self._there: BucketStore | None = None
        self.away: Unavailable | None = None

    @classmethod
    def open(
        cls,
        url: str,
        tables: Iterable[Table],
        *,
        caches: str,
        now: Callable[[], int],
        actor: Callable[[], str],
        create: bool = False,
        read_only: bool = False,
        grouping: Grouping | None = None,
        limit: int = LIMIT,
    ) -> BucketBackedStore:
        """Open the store in the bucket at a URL, with its cache below the directory `caches`, and take in what is new there.

        What an earlier process recorded and did not push is pushed. `limit` is how many bytes the cache may have before blobs leave it.
        Where the bucket cannot be reached and the cache has followed it before, the cache is opened as it is, and `away` says why.
        Raises NoStore (unless `create`), Refused, Damaged, Unavailable, InvalidInput.
        """
        bucket = open_bucket(url)
        directory = directory_for(caches, bucket.files.place)
        if not os.path.isdir(directory) and bucket.load().version is None and not create:
            raise NoStore(f"there is no store in {url}", hint=f"`runstore init {url}` makes one")
        os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
        cache = LmdbStore.open(directory, (*tables, TRACKED), create=True)
        about = Surroundings(now, actor, os.path.join(directory, QUARANTINE))
        store = cls(bucket, cache, about, read_only=read_only, grouping=grouping or Grouping(), limit=limit)
        try:
            store._begin(create=create)
        except BaseException:
            cache.close()
            raise
        return store

    def _begin(self, *, create: bool) -> None:
        self.bucket.keep_indexes(os.path.join(self.directory, "indexes"))
        with self.cache.read() as reader:
            fresh = reader.count() == 0
            followed = bool(store_id(reader))
            self.bucket.trust(probed=was_probed(reader))
        try:
            if self.read_only and not fresh:
                # Somebody may be pushing through a bad network. Who only reads waits a little, and goes on with what the cache has.
                with suppress(Busy), self._exclusive(patience=READERS_WAIT):
                    self._bring_together(create=create)
            else:
                with self._exclusive():
                    self._bring_together(create=create)
        except Unavailable as error:
            # No network is no reason not to record. What forbids access, or wants room, is another kind and has to be mended first.
            if not followed or error.kind != Unavailable.kind:
                raise
            self.away = error

    def _bring_together(self, *, create: bool) -> None:
        with self.cache.read() as reader:
            fresh = reader.count() == 0
            left = bool(unpushed(reader))
            older = reader.value(INDEX_STATE.name, b"version") is not None and not is_current(reader)
        if fresh or older:  # new, or of an earlier version of this program
            with self.cache.write() as writer:
                rebuild(writer)
        state = self.bucket.load()
        if state.version is None and not create and fresh:
            raise NoStore(f"there is no store in {self.bucket.url}", hint=f"`runstore init {self.bucket.url}` makes one")
        bring_in(self.cache, self.bucket, state, self._about)
        if create and state.version is None:
            self.bucket.move(lambda root: root if root.writes else root._replace())
        with self.cache.read() as reader:
            left = left or bool(unpushed(reader))
        if left:
            # Who only reads may have no right to write there; then the next one that has does it.
            with suppress(Unavailable) if self.read_only else nullcontext():
                self._push()
        evict(self.cache, self.bucket, self._limit)

    def __enter__(self) -> BucketBackedStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- with the bucket -------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Return when all that was committed before is in the bucket. Raises Unavailable, Refused; then it still is in the cache."""
        with self._exclusive():
            self._push()

    def refresh(self) -> bool:
        """Take in what others have put into the bucket; True if there was something."""
        with self._exclusive():
            return bring_in(self.cache, self.bucket, self.bucket.load(), self._about)

    def _push(self) -> None:
        until = time.monotonic() + _PATIENCE
        failures = 0
        while True:
            try:
                bring_in(self.cache, self.bucket, self.bucket.load(), self._about)
                if push_group(self.cache, self.bucket, self._pending, now=self._about.now):
                    tend(self.bucket, self.bucket.load().root, now=self._about.now)
                return
            except Conflict:
                if time.monotonic() > until:
                    raise
            failures += 1
            pause(failures)

    @contextmanager
    def _exclusive(self, patience: float | None = None) -> Iterator[None]:
        """One thread of one process at a time brings this cache and the bucket together; who waited may find his runs pushed.

        Waits as long as it takes, or for `patience` seconds: then raises Busy.
        """
        self._check_fork()
        with self._thread_lock:
            fd = os.open(os.path.join(self.directory, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(fd, patience)
                yield
            finally:
                # A process that was forked meanwhile has the file open too: closing it would not give the lock back.
                fcntl.flock(fd, fcntl.LOCK_UN)
                os.close(fd)

    def _check_fork(self) -> None:
        if os.getpid() != self._pid:
            raise Unavailable(
                "a forked process does not reach the bucket: the client's threads stayed behind",
                hint="what it records is in the cache and is pushed by the process that opened it; or open the store after the fork",
                kind="forked",
            )

    def _fetch(self, id: bytes) -> Object:
        """Return an object of the bucket, and keep it in the cache."""
        self._check_fork()
        with self._thread_lock:
            found = self._from_bucket(id)
        if not getattr(self._writing, "depth", 0):
            with self.cache.write() as writer:
                Indexer().add(writer, writer.put([found]))
        return found

    def _from_bucket(self, id: bytes) -> Object:
        for _ in range(3):
            if self._there is None:
                self._there = BucketStore(self.bucket, self.bucket.load().root)
            try:
                with self._there.read() as reader:
                    return reader.get(id)
            except RunstoreError as error:
                self._there.close()
                self._there = None
                last = error
                if error.kind not in ("disconnected", "not-found"):
                    break
        raise last

    # --- the store protocol ----------------------------------------------------------------------------------------------------

    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot of the cache. What it has only as promised is fetched when it is asked for."""
        return cast("AbstractContextManager[Reader]", DemandReader(self.cache.read(), self._fetch))

    @contextmanager
    def write(self, *, now: int | None = None) -> Iterator[Writer]:
        """Write to the cache, as LmdbStore.write does; the group that this belongs to is pushed later."""
        if self.read_only:
            raise Unavailable(f"{self.bucket.url} was opened for reading only", kind="read-only")
        self._writing.depth = getattr(self._writing, "depth", 0) + 1
        try:
            with self.cache.write(now=now) as writer:
                counting = CountingWriter(writer)
                yield cast("Writer", counting)
        finally:
            self._writing.depth -= 1
        if os.getpid() == self._pid:
            self._pusher.note(counting.bytes)

    def prepare(self, objects: Iterable[Object], reader: Reader | None = None) -> Batch:
        """As LmdbStore.prepare."""
        return self.cache.prepare(objects, reader.inner if isinstance(reader, DemandReader) else reader)

    def known(self, id: bytes) -> bool:
        """As LmdbStore.known."""
        return self.cache.known(id)

    def rewrite(self, order: Callable[[Reader], Iterable[int]], *, level: int, rebuild: Callable[[Writer], None]) -> Mapping[str, Any]:
        """Rewrite the cache."""
        return self.cache.rewrite(order, level=level, rebuild=rebuild)

    def addresses_at(self, time: int) -> dict[int, int]:
        """As LmdbStore.addresses_at."""
        return self.cache.addresses_at(time)

    def protected_since(self, time: int, *, now: int | None = None) -> dict[int, int]:
        """As LmdbStore.protected_since."""
        return self.cache.protected_since(time, now=now)

    def lease(self, *, now: int, seconds: int = 3600) -> AbstractContextManager[None]:
        """As LmdbStore.lease."""
        return self.cache.lease(now=now, seconds=seconds)

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Verify the cache."""
        return self.cache.verify(progress=progress)

    def stat(self) -> Mapping[str, Any]:
        """Counts and byte sizes of the cache."""
        return self.cache.stat()

    def close(self) -> None:
        """Push what is not pushed, and release the cache in any case. Idempotent. Raises what `flush` raises: nothing is lost then."""
        if self._pid != os.getpid():
            self.cache.close()
            return
        self._pusher.end()
        try:
            if self.cache.is_open and not self.read_only:
                self._finish()
        finally:
            there, self._there = self._there, None
            if there is not None:
                there.close()
            self.cache.close()

    def _finish(self) -> None:
        with self.cache.read() as reader:
            left = bool(unpushed(reader))
        if left:
            try:
                self.flush()
            except Unavailable as error:
                raise Unavailable(
                    f"not all runs have reached {self.bucket.url}: {error}",
                    hint="they are kept on this machine, and pushed when the store is opened here again",
                    kind=error.kind,
                ) from error


def _lock(fd: int, patience: float | None) -> None:
    if patience is None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        return
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise Busy("the cache is being brought together with its bucket") from None
            time.sleep(0.02)
