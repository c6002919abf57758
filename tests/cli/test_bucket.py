"""A store in a bucket, from the command line, while the bucket cannot be reached."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def away(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a bucket that holds a run, was followed by a cache, and cannot be reached now. What it holds lies in `aside`."""
    place = tmp_path / "bucket"
    monkeypatch.setenv("RUNSTORE_CACHE", str(tmp_path / "caches"))
    monkeypatch.setenv("RUNSTORE", f"dir://{place}")
    cli("init", f"dir://{place}")
    cli("add", "--model", "m", "--prompt", "Be brief.", "--output", "first")
    place.rename(tmp_path / "aside")
    place.symlink_to(place)
    return place


def test_a_log_without_the_bucket(cli: Cli, away: Path) -> None:
    """What this machine has is listed, and that it may not be all is said."""
    told = cli("log", "--oneline")
    assert told.out.endswith("Be brief. → first\n")
    assert told.err.startswith(f"warning: going on with what this machine has: dir://{away}: ")
    assert told.err.count("\n") == 1


def test_an_add_without_the_bucket(cli: Cli, away: Path, tmp_path: Path) -> None:
    """It is recorded; that it has not reached the bucket is said, with exit code 1; the next command pushes it."""
    told = cli("add", "--model", "m", "--prompt", "Be brief.", "--output", "second", code=1)
    assert len(told.out) == 65
    assert f"error: not all runs have reached dir://{away}" in told.err
    away.unlink()
    (tmp_path / "aside").rename(away)
    assert cli("log", "--oneline").err == ""
    cli("clone", f"dir://{away}", "copy")
    assert len(cli("log", "--oneline", "--store", "copy").lines) == 2


def test_exec_without_the_bucket_returns_the_code_of_the_program(cli: Cli, away: Path) -> None:
    """The program runs all the same, and its exit code is what `exec` returns."""
    told = cli("exec", "--", sys.executable, "-c", "import runstore; raise SystemExit(3)", code=3)
    assert told.err.startswith("warning: going on with what this machine has")
