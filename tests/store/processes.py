"""Starting the workers, and what must hold of a store after whatever befell them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runstore.store.lmdb import LmdbStore
from runstore.testing.samples import PAIRS, TABLES
from tests.store.workers import group, row

ROOT = Path(__file__).resolve().parents[2]


def start(job: str, directory: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a job in a process of its own, which the caller ends (as a context, if nothing can fail in between)."""
    command = [sys.executable, "-m", "tests.store.workers", job, str(directory), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a way to start jobs; whatever runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def remember(job: str, directory: Path, *arguments: object) -> subprocess.Popen[str]:
        processes.append(start(job, directory, *arguments))
        return processes[-1]

    try:
        yield remember
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a job prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def rest(process: subprocess.Popen[str]) -> list[str]:
    """Return the whole lines that a job, now dead, printed since."""
    assert process.stdout is not None  # `communicate` would pass by what `readline` has read ahead
    return process.stdout.read().split("\n")[:-1]


def run(job: str, directory: Path, *arguments: object, code: int = 0) -> list[str]:
    """Run a job to its end; return its lines."""
    with start(job, directory, *arguments) as process:
        out, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors
    return out.split("\n")[:-1]


def assert_whole(directory: Path, acknowledged: dict[int, set[int]]) -> None:
    """Every acknowledged turn is there with its row, every turn that is there is there whole, and nothing else is wrong."""
    with LmdbStore.open(directory, TABLES) as store, store.read() as reader:
        there: dict[int, set[int]] = {}
        for found in reader.rows(PAIRS.name):
            there.setdefault(int.from_bytes(found[:2], "big"), set()).add(int.from_bytes(found[2:], "big"))
        for part, turns in acknowledged.items():
            assert turns <= there.get(part, set())
        for part, turns in there.items():
            for turn in turns:
                assert row(part, turn) in set(reader.rows(PAIRS.name, row(part, turn)))
                assert [reader.get(item.id) for item in group(part, turn)] == group(part, turn)
        assert list(store.verify()) == []
