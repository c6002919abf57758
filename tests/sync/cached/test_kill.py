"""Processes and servers that are killed: what was acknowledged is readable afterwards, each once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import runstore
from tests.sync.bucket.seaweed import Seaweed
from tests.sync.cached import worker


def check(url: str, cache: Path, acknowledged: list[str], refs: tuple[str, ...] = ("main",)) -> None:
    """Every execution that was acknowledged is on a ref once, and readable, in a cache that was never there before."""
    with runstore.open(url, cache=cache, read_only=True) as repo:
        found = [entry.link.hex for ref in refs for entry in repo.log(ref) if entry.execution.run is not None]
        assert len(found) == len(set(found))
        assert set(acknowledged) <= set(found)
        for name in acknowledged[:: max(1, len(acknowledged) // 50)]:
            assert repo.show(f"execution:{name}").output[0]["content"].startswith("answer")
        assert list(repo.fsck()) == []


@pytest.mark.parametrize("trials", [3, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.timeout(3600)
def test_a_writer_that_is_killed_before_its_flush_loses_nothing(url: str, tmp_path: Path, trials: int) -> None:
    """Writers are killed at random moments; the next opening of their cache pushes what they had acknowledged."""
    chance = random.Random(7)
    runstore.open(url, create=True, cache=tmp_path / "c").close()
    acknowledged: list[str] = []
    for trial in range(trials):
        process = worker.start(url, tmp_path / "c", trial, 100_000)
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        acknowledged.extend(line for line in process.communicate()[0].splitlines() if len(line) == 64)
    runstore.open(url, cache=tmp_path / "c").close()
    check(url, tmp_path / "fresh", acknowledged)


@pytest.mark.soak  # the server takes 15 seconds to come back
@pytest.mark.parametrize("trials", [25])
@pytest.mark.timeout(3600)
def test_a_server_that_is_killed_during_writes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seaweed: Seaweed, trials: int
) -> None:
    """The server is killed while two writers push, and comes back: what they acknowledged is in the bucket when they have ended."""
    chance = random.Random(11)
    place = tmp_path / "server"
    place.mkdir()
    server = Seaweed(place)
    server.start()
    try:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        server.make_bucket()
        url = f"s3://{server.bucket}/{seaweed.bucket}"
        runstore.open(url, create=True, cache=tmp_path / "c").close()
        acknowledged: list[str] = []
        for trial in range(trials):
            running = [worker.start(url, tmp_path / f"c{number}", 2 * trial + number, 150) for number in range(2)]
            time.sleep(chance.uniform(0.4, 1.2))
            server.kill()
            time.sleep(chance.uniform(0, 0.3))
            server.start()
            for process in running:
                out, _ = process.communicate(timeout=300)
                acknowledged.extend(line for line in out.splitlines() if len(line) == 64)
        for number in range(2):
            runstore.open(url, cache=tmp_path / f"c{number}").close()
        check(url, tmp_path / "fresh", acknowledged)
    finally:
        server.kill()
