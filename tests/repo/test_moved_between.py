"""What a process remembers of a store is worth nothing once the store was collected or packed: no object is left out for it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.importers.conversations import conversation_chain
from runstore.errors import NotFound
from runstore.maintenance import gc as collecting
from runstore.repo import Repo
from runstore.store.protocol import Store, Writer

HOUR = 3_600_000_000


class Between:
    """A store in which something happens at the end of one call: what another process may do at that moment."""

    def __init__(self, store: Store, at: str, act: Callable[[], object]) -> None:
        self._store, self._at, self._act = store, at, [act]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._and_then(found) if name == self._at else found

    def _and_then(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def both(*words: Any, **named: Any) -> Any:
            found = call(*words, **named)
            while self._act:
                self._act.pop()()
            return found

        return both


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """A new store."""
    with runstore.open(tmp_path / "s", create=True, actor="a") as made:
        yield made


def forget(repo: Repo) -> None:
    """Drop everything that was recorded."""
    for ref in repo.refs():
        repo.delete_ref(ref.name)
    repo.expire_reflog(1 << 62)
    assert repo.gc(grace_days=0).dead > 0


def between(repo: Repo, at: str, act: Callable[[], object]) -> Repo:
    """The same store, in which something happens at the end of the next call of `at`."""
    return Repo(Between(repo.store, at, act), actor="a")


def test_what_was_collected_since_it_was_remembered_is_stored_again(repo: Repo) -> None:
    """A run whose parts were dropped between the look and the transaction is recorded whole."""
    run = {"prompt": "p", "history": [{"role": "user", "content": "q"}], "tools": [1, 2]}
    repo.add(run, output="a")
    between(repo, "prepare", lambda: forget(repo)).add(run, output="a", ref="again")
    assert repo.show("again").history == [{"role": "user", "content": "q"}]
    assert list(repo.fsck()) == []


def test_an_import_stores_again_what_was_collected_meanwhile(repo: Repo) -> None:
    """The same of an import."""
    rows = {"conversation_id": "c", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    repo.importing().record([conversation_chain(rows, {})])
    between(repo, "prepare", lambda: forget(repo)).importing().record([conversation_chain(rows, {})])
    assert repo.show("conversations/c").history == [{"role": "user", "content": "q"}]
    assert list(repo.fsck()) == []


def test_gc_keeps_what_is_young_where_it_lies_now(tmp_path: Path) -> None:
    """A store that is moved between a collector's survey and its work is looked at anew: young objects lie elsewhere then."""
    time = [100 * HOUR]
    with runstore.open(tmp_path / "s", create=True, actor="a", clock=lambda: time[0]) as repo:
        for number in range(20):
            repo.put(f"old {number}")
        time[0] += 50 * HOUR
        young = [repo.put(f"young {number}") for number in range(5)]
        racing = between(repo, "protected_since", lambda: collecting.gc(repo.store, now=time[0], grace_days=1)).store
        collecting.gc(racing, now=time[0], grace_days=1)
        assert {obj.id for obj in repo.dump()} == set(young)


def test_gc_keeps_what_the_young_lead_to(tmp_path: Path) -> None:
    """What nothing names is kept for the grace period with all it leads to, however old that is; then it goes."""
    time = [100 * HOUR]
    with runstore.open(tmp_path / "s", create=True, actor="a", clock=lambda: time[0]) as repo:
        repo.put("a prompt that nothing used so far")
        time[0] += 50 * HOUR
        added = repo.add({"prompt": "a prompt that nothing used so far"})
        repo.undo()
        repo.expire_reflog(1 << 62)
        assert repo.gc(grace_days=1).dead == 0
        assert repo.show(added.execution.hex).prompt == "a prompt that nothing used so far"
        assert list(repo.fsck()) == []
        time[0] += 50 * HOUR
        assert repo.gc(grace_days=1).kept == 0


def _fail(writer: Writer) -> None:
    raise RuntimeError


def any_work(directory: Path, steps: int, seed: int) -> None:
    """Record, fail, undo, collect and pack in any order with one Repo; the derived tables are those that the objects give."""
    chance = random.Random(seed)
    with runstore.open(directory, create=True, actor="a") as repo:
        for _ in range(steps):
            run = {"prompt": chance.choice("xy"), "history": [{"role": "user", "content": str(n)} for n in range(chance.randrange(12))]}
            fields: dict[str, Any] = {"output": chance.choice("ab"), "ref": chance.choice("rs"), "notes": {"session": chance.choice("tu")}}
            way = chance.randrange(8)
            if way < 4:
                repo.add(run, **fields)
            elif way == 4:
                with pytest.raises(RuntimeError):
                    repo.add_many([(run, fields)], within=_fail)
            elif way == 5:
                with suppress(NotFound):  # nothing left
                    repo.undo()
            elif way == 6:
                repo.pack()
            elif way == 7:
                repo.expire_reflog(1 << 62)
                repo.gc(grace_days=0)
            assert list(repo.fsck()) == []


def test_any_work_leaves_the_indexes_right(tmp_path: Path) -> None:
    """After any steps with one Repo the store is whole, and every derived table says what the objects say."""
    for seed in range(6):
        any_work(tmp_path / str(seed), 25, seed)


@pytest.mark.soak
def test_much_work_leaves_the_indexes_right(tmp_path: Path) -> None:
    """The same for long."""
    for seed in range(100, 200):
        any_work(tmp_path / str(seed), 60, seed)


class Afterwards:
    """A store in which something happens when a write transaction has ended, before its thread goes on."""

    def __init__(self, store: Store, act: Callable[[], object]) -> None:
        self._store, self._act = store, [act]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def write(self, **named: Any) -> Iterator[Writer]:
        with self._store.write(**named) as writer:
            yield writer
        while self._act:
            self._act.pop()()


def test_what_another_thread_takes_back_is_not_remembered_as_indexed(repo: Repo) -> None:
    """A thread that adds between another one's commit and its noting that, and then fails, leaves nothing behind in what both remember."""
    inside, ended = threading.Event(), threading.Event()

    def fail(writer: Writer) -> None:
        inside.set()
        assert ended.wait(30)
        raise InterruptedError

    def add_in_vain() -> None:
        with suppress(InterruptedError):
            shared.add_many([({"prompt": "late"}, {})], within=fail)

    def begin() -> None:
        other.start()
        assert inside.wait(30)

    other = threading.Thread(target=add_in_vain)
    shared = Repo(Afterwards(repo.store, begin), actor="a")
    shared.add({"prompt": "early"})
    ended.set()
    other.join()
    shared.add({"prompt": "late"})
    assert len(shared.find("late")) == 1
    assert list(shared.fsck()) == []
