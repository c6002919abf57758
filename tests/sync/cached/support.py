"""Stores in buckets for tests: small histories, clocks of their own, caches of their own."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from runstore import refs
from runstore.model.ids import Kind, Link
from runstore.repo import TABLES, Repo
from runstore.sync.cached.groups import Grouping
from runstore.sync.cached.store import BucketBackedStore
from runstore.testing.machines import BEGIN

NEVER = Grouping(writes=1 << 30, bytes=1 << 60, seconds=1e9)


class Site:
    """A machine with a cache of its own that records into a bucket. Groups are pushed when it is told to, unless a grouping is given."""

    def __init__(
        self, url: str, caches: Path, number: int = 1, *, grouping: Grouping = NEVER, create: bool = True, limit: int = 1 << 30
    ) -> None:
        self.number = number
        self._url, self._caches, self._grouping, self._limit = url, caches / str(number), grouping, limit
        self._ticks = count(BEGIN + number * 7, 1_000_000)
        self._nonces = count(number << 64)
        self.open(create=create)

    def open(self, *, create: bool = True) -> None:
        """Open the store, again after it was closed or let go."""
        self.store = BucketBackedStore.open(
            self._url,
            TABLES,
            caches=str(self._caches),
            now=self.now,
            actor=lambda: f"site-{self.number}",
            create=create,
            grouping=self._grouping,
            limit=self._limit,
        )
        self.repo = Repo(self.store, actor=f"site-{self.number}", clock=self.now, nonce=lambda: f"{next(self._nonces):032x}")

    def now(self) -> int:
        """Return the time: a second later each time."""
        return next(self._ticks)

    def say(self, ref: str = "main", **fields: Any) -> Link:
        """Record an execution on a ref."""
        number = next(self._nonces)
        history = [{"role": "user", "content": f"question {number} to {self.number}"}]
        slots = {"model": {"name": "m"}, "prompt": "Be brief.", "history": history, "tools": False}
        fields.setdefault("output", [{"role": "assistant", "content": f"answer {number}"}])
        return self.repo.add(slots, ref=ref, **fields).execution

    def refs(self) -> dict[str, Link]:
        """Return all refs here."""
        with self.store.read() as reader:
            return {ref.name: ref.target for ref in refs.each(reader)}

    def log(self, ref: str = "main") -> list[str]:
        """Return the executions of a ref, merges left out, sorted."""
        return sorted(entry.link.hex for entry in self.repo.log(ref) if entry.execution.run is not None)

    def kinds(self, kind: Kind) -> set[bytes]:
        """Return the ids of the cache's objects of a kind."""
        with self.store.cache.read() as reader:
            return {obj.id for _, obj in reader.objects() if obj.kind == kind}

    def let_go(self) -> None:
        """Close the cache and nothing else: as if the process had been killed."""
        self.store._pusher.end()
        self.store.cache.close()

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def there(url: str) -> dict[str, Link]:
    """Return the refs in a bucket."""
    from runstore.sync.bucket.connect import open_bucket

    bucket = open_bucket(url)
    return bucket.refs(bucket.load().root)
