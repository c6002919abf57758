"""Processes that are killed at any moment lose nothing that was acknowledged, and leave nothing to repair."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.store.processes import assert_whole, line, rest, run, started


def _kill_rounds(directory: Path, rounds: int, workers: int, seed: int, *, rewriting: bool = False) -> None:
    luck = random.Random(seed)
    acknowledged: dict[int, set[int]] = {}
    for turn in range(rounds):
        parts = [turn * workers + i for i in range(workers)]
        with started() as start:
            processes = [start("add_groups", directory, part, 100_000) for part in parts]
            if rewriting:
                processes.append(start("rewrite_groups", directory, 100_000))
            for process in processes:  # all are at work before one is killed
                line(process)
            time.sleep(luck.uniform(0.0, 0.15))
            for process in luck.sample(processes, len(processes)):
                process.send_signal(signal.SIGKILL)
            for part, process in zip(parts, processes, strict=False):
                acknowledged[part] = {0, *map(int, rest(process))}
        if turn % 10 == 9 or turn == rounds - 1:
            assert_whole(directory, acknowledged)


@pytest.mark.parametrize("workers", [1, 8])
def test_killed_writers(tmp_path: Path, workers: int) -> None:
    """After `kill -9` of one or eight writers, what was acknowledged is there, whole, and index and segments agree."""
    _kill_rounds(tmp_path / "store", 4 if workers == 1 else 2, workers, workers)


def test_killed_while_being_rewritten(tmp_path: Path) -> None:
    """The same while another process rewrites the store in a loop and is killed too."""
    _kill_rounds(tmp_path / "store", 3, 2, 5, rewriting=True)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("workers", "rounds"), [(1, 200), (8, 200)])
def test_killed_writers_often(tmp_path: Path, workers: int, rounds: int) -> None:
    """The same, two hundred times."""
    _kill_rounds(tmp_path / "store", rounds, workers, 100 + workers)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_while_being_rewritten_often(tmp_path: Path) -> None:
    """The same with a rewriter, a hundred times."""
    _kill_rounds(tmp_path / "store", 100, 3, 200, rewriting=True)


@pytest.mark.parametrize("step", ["copied", "marked", "current"])
def test_death_at_each_step_of_moving(tmp_path: Path, step: str) -> None:
    """A rewriter that dies between two steps leaves one data file in force, and the next that opens removes the rest."""
    store = tmp_path / "store"
    run("add_groups", store, 1, 30)
    run("crash_in_rewrite", store, step, code=9)
    assert_whole(store, {1: set(range(30))})
    names = {name.name for name in store.iterdir() if name.name.startswith("data-")}
    assert len(names) == 2  # one data file and its lock file
    assert (store / "CURRENT").read_text().strip() in names
    run("rewrite_groups", store, 1)
    run("add_groups", store, 2, 5)
    assert_whole(store, {1: set(range(30)), 2: set(range(5))})
