"""Many processes that record straight into one bucket: none lost, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import runstore
from tests.sync.cached import worker
from tests.sync.cached.test_kill import check


@pytest.mark.parametrize(("processes", "adds"), [(4, 20), pytest.param(16, 200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("shared", [True, False], ids=["one cache", "a cache each"])
@pytest.mark.timeout(3600)
def test_processes_on_one_bucket_lose_nothing_and_repeat_nothing(url: str, tmp_path: Path, processes: int, adds: int, shared: bool) -> None:
    """Each process adds to one ref, all with one cache or each with its own: every execution stands on the ref once."""
    runstore.open(url, create=True, cache=tmp_path / "c0").close()
    running = [worker.start(url, tmp_path / ("c0" if shared else f"c{number}"), number, adds) for number in range(processes)]
    acknowledged: list[str] = []
    for process in running:
        out, err = process.communicate(timeout=1800)
        assert process.returncode == 0, err
        *ids, last = out.split()
        assert last == "flushed"
        assert len(ids) == adds
        acknowledged += ids
    assert len(set(acknowledged)) == processes * adds
    with runstore.open(url, cache=tmp_path / "fresh", read_only=True) as repo:
        found = [entry.link.hex for entry in repo.log("main") if entry.execution.run is not None]
    assert sorted(found) == sorted(acknowledged)
    check(url, tmp_path / "fresh", acknowledged)
