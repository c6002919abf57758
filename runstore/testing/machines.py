"""Machines to test exchange with: stores that record runs, each with a clock and nonces of its own. The same ids on every call."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from runstore import refs
from runstore.model.ids import Link
from runstore.repo import TABLES, Repo
from runstore.runs.index import mark_current
from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Store
from runstore.sync.connect import Access, Connect
from runstore.sync.exchange import Exchange
from runstore.sync.fetch import Fetch, Fetched
from runstore.sync.push import Pushed, push
from runstore.sync.remote import Remote

BEGIN = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z
_MODEL = {"name": "gpt-4o-2024-08-06"}


class Machine:
    """A store with someone who records conversations in it. `number` tells machines apart: their clocks and nonces never agree."""

    def __init__(self, number: int = 1, directory: Path | None = None) -> None:
        self.number = number
        self.directory = directory
        self.store: Store = _open(directory)
        self._ticks = count(BEGIN + number * 7, 1_000_000)
        self._nonces = count(number << 64)
        self.repo = Repo(self.store, actor=f"machine-{number}", clock=self.now, nonce=lambda: f"{next(self._nonces):032x}")
        self._histories: dict[str, list[Any]] = {}

    def now(self) -> int:
        """Return the time: a second later each time."""
        return next(self._ticks)

    def upload(self) -> str:
        """Return a name for an upload."""
        return f"{next(self._nonces):032x}"

    def say(self, ref: str = "main", text: str | None = None, **more: Any) -> Link:
        """Record one more turn of a conversation on a ref, and return its execution."""
        history = self._histories.setdefault(ref, [])
        question = f"question {len(history) // 2} to {self.number} on {ref}" if text is None else text
        history.append({"role": "user", "content": question})
        answer = {"role": "assistant", "content": f"the answer to {question}"}
        slots = {
            "model": _MODEL,
            "prompt": "You are terse.",
            "parameters": {"temperature": 0, "seed": 7},
            "documents": False,
            "tools": [{"name": "search", "parameters": {"type": "object"}}],
            "history": list(history),
            "runtime": None,
            **{name: value for name, value in more.items() if name in ("documents", "prompt", "tools")},
        }
        fields = {name: value for name, value in more.items() if name not in slots}
        recorded = self.repo.add(slots, ref=ref, output=[answer], **fields)
        history.append(answer)
        return recorded.execution

    def talk(self, turns: int, ref: str = "main") -> Link:
        """Record several turns; return the last execution."""
        return [self.say(ref) for _ in range(turns)][-1]

    def ref(self, name: str) -> Link | None:
        """Return what a ref (its full name) points at."""
        with self.store.read() as reader:
            return refs.get(reader, name)

    def refs(self) -> dict[str, Link]:
        """Return all refs."""
        with self.store.read() as reader:
            return {ref.name: ref.target for ref in refs.each(reader)}

    def ids(self) -> set[bytes]:
        """Return the ids of all objects."""
        with self.store.read() as reader:
            return {obj.id for _, obj in reader.objects()}

    def executions(self) -> list[bytes]:
        """Return the ids of all executions, sorted."""
        with self.store.read() as reader:
            return sorted(obj.id for _, obj in reader.objects() if obj.kind == 5)

    def state(self) -> tuple[frozenset[bytes], tuple[tuple[str, Link], ...]]:
        """Return all that a transfer may change: the objects and the refs."""
        return frozenset(self.ids()), tuple(sorted(self.refs().items()))

    def access(self) -> Access:
        """Return what transports are told."""
        return Access(TABLES, self.now, f"machine-{self.number}")

    def exchange(self) -> Exchange:
        """Return the verbs of exchange."""
        directory = None if self.directory is None else str(self.directory)
        return Exchange(self.store, directory, self.access(), default_ref="heads/main", upload=self.upload)

    def push(self, connect: Connect, *names: str, **options: Any) -> Pushed:
        """Push heads (short names; main if none are given) over channels of a kind."""
        with Remote(connect) as remote:
            links = [(self.repo_ref(name), f"heads/{name}") for name in names or ("main",)]
            return push(self.store, remote, links, upload=self.upload, **options)

    def repo_ref(self, name: str) -> Link:
        """Return what a head (its short name) points at; it is there."""
        found = self.ref(f"heads/{name}")
        assert found is not None, name
        return found

    def fetch(self, connect: Connect, **options: Any) -> Fetched:
        """Fetch all that a peer has, as from a remote named origin."""
        with Remote(connect) as remote:
            return Fetch(self.store, remote, "origin", now=self.now, actor=f"machine-{self.number}", **options).run()

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def _open(directory: Path | None) -> Store:
    store: Store
    if directory is None:
        store = MemoryStore(TABLES)
    else:
        store = LmdbStore.open(directory, TABLES, create=True, settings=Settings(durable=False))
    with store.write() as writer:
        mark_current(writer)
    return store
