"""A store in memory with a clock that ticks once a second and nonces that count, so that every id is the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from runstore import refs
from runstore.model.executions import make_merge
from runstore.model.ids import Link
from runstore.model.run import Run
from runstore.query.log import Entry, Filter, log
from runstore.query.revisions import Found, part, resolve, to_run
from runstore.repo import TABLES, Repo
from runstore.runs.index import Indexer, mark_current
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Reader

SECOND = 1_000_000
BEGIN = 1_769_860_800 * SECOND  # 2026-01-31T12:00:00Z
FULL: dict[str, Any] = {
    "model": {"name": "gpt-4o-2024-08-06"},
    "prompt": "You are terse.",
    "parameters": {"temperature": 0, "seed": 7},
    "documents": False,
    "tools": False,
    "history": [{"role": "user", "content": "2 + 2?"}],
    "runtime": {"model": "gpt-4o-2024-08-06"},
}


class Archive:
    """A store with short ways to put runs in and to ask for them."""

    def __init__(self) -> None:
        ticks, nonces = count(BEGIN, SECOND), count(1)
        self.now = BEGIN
        store = MemoryStore(TABLES)
        with store.write() as writer:
            mark_current(writer)
        self.repo = Repo(store, actor="tester", clock=lambda: self._tick(ticks), nonce=lambda: f"{next(nonces):032x}")

    def _tick(self, ticks: Iterator[int]) -> int:
        self.now = next(ticks)
        return self.now

    def add(self, ref: str = "main", *, output: Any = "4", slots: dict[str, Any] | None = None, **fields: Any) -> Link:
        """Record an execution of a full run with some slots replaced; return its link."""
        return self.repo.add({**FULL, **(slots or {})}, ref=ref, output=output, **fields).execution

    def ask(self, question: str, answer: str = "4", ref: str = "main", **fields: Any) -> Link:
        """Record an execution whose history is one question."""
        return self.add(
            ref, output=[{"role": "assistant", "content": answer}], slots={"history": [{"role": "user", "content": question}]}, **fields
        )

    def run_of(self, execution: Link) -> Link:
        """Return the run of an execution."""
        with self.read() as reader:
            return to_run(reader, execution)

    def executions(self, revision: str) -> list[Link]:
        """Return the executions of a run, in the order of recording."""
        return [found.link for found in self.repo.executions(revision)]

    def set_ref(self, name: str, target: Link) -> None:
        """Point a ref at anything."""
        with self.repo.store.write(now=self.now) as writer:
            refs.Operation(writer, now=self.now, actor="tester", action="set").move(name, refs.get(writer, name), target)

    def merge(self, *parents: Link, ref: str = "main") -> Link:
        """Join executions and point a ref at the merge."""
        made = make_merge(parents)
        with self.repo.store.write(now=self.now) as writer:
            Indexer().add(writer, writer.put([made]))
        self.set_ref(f"heads/{ref}", made.link)
        return made.link

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a snapshot."""
        with self.repo.read() as reader:
            yield reader

    def resolve(self, text: str, **options: Any) -> Found:
        """Return what a revision names, now."""
        with self.read() as reader:
            return resolve(reader, text, now=self.now, **options)

    def value(self, text: str) -> Any:
        """Return what a revision names, as a value."""
        with self.read() as reader:
            return part(reader, resolve(reader, text, now=self.now))

    def log(self, *revisions: str, **wanted: Any) -> list[Entry]:
        """Return the log of revisions."""
        return list(log(self.repo.store, revisions, Filter(**wanted), now=self.now))

    def links(self, *revisions: str, **wanted: Any) -> list[Link]:
        """Return the links in a log."""
        return [entry.link for entry in self.log(*revisions, **wanted)]


@pytest.fixture
def archive() -> Archive:
    """An empty archive."""
    return Archive()


def composed(**slots: Any) -> Run:
    """Compose a full run with some slots replaced."""
    from runstore.runs.compose import run_from_mapping

    return run_from_mapping({**FULL, **slots})
