"""Many processes on one store: nothing acknowledged is lost, whatever is killed and whatever else goes on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import runstore
from tests.repo import workers


def finish(running: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Wait for the workers; return the ids that each acknowledged. Fails if one fails."""
    acknowledged = []
    for process in running:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, err
        acknowledged.append(out.split())
    return acknowledged


def check_whole(directory: Path, acknowledged: list[str]) -> None:
    """Every acknowledged execution is readable with all that it leads to, and fsck finds nothing."""
    with runstore.open(directory) as repo:
        for name in acknowledged:
            execution = repo.show(f"execution:{name}")
            assert execution.output[0]["content"].startswith("answer")
            assert execution.history[-1]["content"].startswith("question")
        assert list(repo.fsck()) == []


@pytest.mark.parametrize(("processes", "adds"), [(4, 25), pytest.param(8, 500, marks=pytest.mark.soak)])
def test_adders_on_one_ref_make_one_chain(tmp_path: Path, processes: int, adds: int) -> None:
    """Processes that add to one ref leave one chain that holds every execution once, and each worker's in its order."""
    runstore.open(tmp_path / "s", create=True).close()
    acknowledged = finish([workers.start(tmp_path / "s", worker, adds) for worker in range(processes)])
    with runstore.open(tmp_path / "s") as repo:
        chain = [entry.link.hex for entry in repo.log("main")]
        assert len(chain) == processes * adds
        assert set(chain) == {name for ids in acknowledged for name in ids}
        place = {name: at for at, name in enumerate(chain)}
        for ids in acknowledged:
            assert sorted(ids, key=lambda name: -place[name]) == ids
        assert len(repo.reflog("main")) == processes * adds
    check_whole(tmp_path / "s", chain[:: max(1, len(chain) // 50)])


@pytest.mark.parametrize("rounds", [1, pytest.param(60, marks=pytest.mark.soak)])
def test_processes_that_find_no_store_make_one(tmp_path: Path, rounds: int) -> None:
    """Processes that begin to add at once where there is no store yet make one store together, and each run is in it."""
    for turn in range(rounds):
        directory = tmp_path / str(turn)
        command = [sys.executable, "-m", "runstore", "add", "--model", "m", "--output"]
        directory.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        running = [
            subprocess.Popen([*command, str(n)], cwd=directory, env=environment, stdout=subprocess.PIPE, text=True) for n in range(6)
        ]
        assert all(len(ids) == 1 for ids in finish(running))
        with runstore.open(directory / ".runstore") as repo:
            assert len(list(repo.log("main"))) == 6
            assert list(repo.fsck()) == []


@pytest.mark.parametrize(("processes", "adds", "rounds"), [(3, 30, 3), pytest.param(8, 300, 10, marks=pytest.mark.soak)])
def test_pack_and_gc_lose_nothing_under_adders(tmp_path: Path, processes: int, adds: int, rounds: int) -> None:
    """While processes add, pack and gc move the store again and again; every acknowledged execution is there at the end."""
    directory = tmp_path / "s"
    runstore.open(directory, create=True).close()
    running = [workers.start(directory, worker, adds, f"w{worker}") for worker in range(processes)]
    moves = 0
    with runstore.open(directory) as repo:
        while moves < rounds or any(process.poll() is None for process in running):
            repo.pack() if moves % 2 else repo.gc(grace_days=0)
            moves += 1
            time.sleep(0.05)
            if moves > 500:
                break
    acknowledged = finish(running)
    assert all(len(ids) == adds for ids in acknowledged)
    check_whole(directory, [name for ids in acknowledged for name in ids])


@pytest.mark.parametrize(
    ("processes", "trials"), [(1, 4), (4, 2), pytest.param(1, 200, marks=pytest.mark.soak), pytest.param(8, 100, marks=pytest.mark.soak)]
)
@pytest.mark.timeout(1800)
def test_a_kill_loses_nothing_acknowledged(tmp_path: Path, processes: int, trials: int) -> None:
    """Workers are killed at random moments; what they acknowledged is readable at once, without repair, and nothing dangles."""
    chance = random.Random(20260105)
    directory = tmp_path / "s"
    runstore.open(directory, create=True).close()
    acknowledged: list[str] = []
    for _ in range(trials):
        running = [workers.start(directory, worker, 100_000, f"w{worker}") for worker in range(processes)]
        for process in running:
            assert process.stdout is not None
            first = process.stdout.readline().strip()
            assert len(first) == 64, process.communicate()[1]  # it ended by itself
            acknowledged.append(first)
        time.sleep(chance.uniform(0, 0.3))
        for process in running:
            process.kill()
        for process in running:
            acknowledged.extend(line for line in process.communicate()[0].splitlines() if len(line) == 64)
    assert len(acknowledged) >= processes * trials
    check_whole(directory, acknowledged)
