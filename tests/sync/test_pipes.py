"""Pipes to a process that serves a store, as ssh gives them, cut anywhere: before or after, and what came is not sent again."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runstore.errors import Unavailable
from runstore.sync import local
from runstore.sync.channel import Channel
from runstore.sync.connect import Connect
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.urls import Url
from runstore.testing.machines import Machine
from tests.sync.pipes import Budget, spawn_cut

Cut = Callable[[Budget], Channel]
NOISE = 24


def served(directory: Path) -> Cut:
    """Return what starts a process that serves a store."""
    command = [sys.executable, "-m", "runstore", "serve", "--stdio", str(directory)]
    return lambda budget: spawn_cut(command, budget)


def over_path(directory: Path) -> Connect:
    """Return what opens a channel without a process: for the retry, which is not what is cut."""
    return local.connector(Url("path", str(directory), str(directory)), Machine(9).access())


def pushing(ours: Machine, connect: Connect, attempts: int = 1) -> None:
    """Push main."""
    with Remote(connect) as remote:
        push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload, attempts=attempts)


def offsets(edges: list[int], chance: random.Random, count: int, every_edge: bool) -> list[int]:
    """Return random offsets, and with them all at which a message, or a part of one, ends."""
    return [chance.randrange(edges[-1]) for _ in range(count)] + (sorted(set(edges[:-1])) if every_edge else [])


def cut_pushes(place: Path, cut: Cut, seed: int, count: int, *, every_edge: bool = False) -> None:
    """Push one more turn again and again, each time cut somewhere, and once more whole."""
    ours, theirs = Machine(1), Machine(2, place)
    ours.talk(3)
    pushing(ours, lambda: cut(Budget()))
    ours.say()
    whole = Budget()
    pushing(ours, lambda: cut(whole))
    chance = random.Random(seed)
    for offset in offsets(whole.edges, chance, count, every_edge):
        ours.say(text="more " * chance.randrange(2000))
        before = theirs.state()
        try:
            pushing(ours, lambda: cut(Budget(offset)))  # noqa: B023 - called at once
        except Unavailable:
            after = theirs.state()
            assert after == before or after[0] == ours.ids()
            pushing(ours, over_path(place))
        assert theirs.ids() == ours.ids()
        assert theirs.repo_ref("main") == ours.repo_ref("main")
    theirs.close()


def cut_fetches(place: Path, cut: Cut, seed: int, count: int, *, every_edge: bool = False) -> None:
    """Fetch one more turn again and again, each time cut somewhere, and once more whole."""
    ours, theirs = Machine(1), Machine(2, place)
    theirs.talk(3)
    ours.fetch(lambda: cut(Budget()))
    theirs.say()
    whole = Budget()
    ours.fetch(lambda: cut(whole))
    chance = random.Random(seed)
    for offset in offsets(whole.edges, chance, count, every_edge):
        theirs.say(text="more " * chance.randrange(2000))
        before = ours.state()
        with pytest.raises(Unavailable):
            ours.fetch(lambda: cut(Budget(offset)), attempts=1)  # noqa: B023 - called at once
        assert ours.state() == before
        ours.fetch(over_path(place))
        assert ours.ids() == theirs.ids()
    theirs.close()


def test_pipes_that_are_cut(tmp_path: Path) -> None:
    """Wherever the pipes are cut, the receiver is as before or as after, and the next try succeeds."""
    cut_pushes(tmp_path / "pushed", served(tmp_path / "pushed"), 1, 3)
    cut_fetches(tmp_path / "fetched", served(tmp_path / "fetched"), 2, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_pipes_that_are_cut_at_a_thousand_offsets(tmp_path: Path, seed: int) -> None:
    """The same at 1,000 random offsets each way, and at the end of every message and part of one."""
    cut_pushes(tmp_path / "pushed", served(tmp_path / "pushed"), seed, 100, every_edge=not seed)
    cut_fetches(tmp_path / "fetched", served(tmp_path / "fetched"), seed, 100, every_edge=not seed)


def cut_at_first(cut: Cut, most: int, budgets: list[Budget]) -> Connect:
    """Return what opens pipes of which the first are cut after so many bytes; their budgets are noted."""

    def connect() -> Channel:
        budgets.append(Budget(None if budgets else most))
        return cut(budgets[-1])

    return connect


def with_noise(machine: Machine) -> None:
    """Record bodies that do not compress."""
    chance = random.Random(5)
    for _ in range(NOISE):
        machine.repo.add({"model": {"name": "m"}}, output=chance.randbytes(1 << 20))


def test_a_transfer_goes_on_at_a_frame(tmp_path: Path) -> None:
    """What was kept of a push and of a fetch that were cut is not sent again."""
    for name in ("pushed", "fetched"):
        ours, theirs = Machine(1), Machine(2, tmp_path / name)
        with_noise(ours if name == "pushed" else theirs)
        budgets: list[Budget] = []

        connect = cut_at_first(served(tmp_path / name), 18 << 20, budgets)
        if name == "pushed":
            pushing(ours, connect, attempts=3)
        else:
            ours.fetch(connect)
        assert theirs.ids() == ours.ids()
        assert len(budgets) > 1
        assert sum(budget.used for budget in budgets) < 32 << 20, name
        theirs.close()
