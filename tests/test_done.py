"""What the store is for, on recorded conversations: `pytest -m soak tests/test_done.py --data DIR`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runstore.cli.program import run as program


@pytest.mark.soak
def test_a_new_user_finds_what_the_tutorial_finds(recordings: Path | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Import the trajectories; find the first execution whose prompt differs, the answer about a booking, and why a run is incomplete."""
    if recordings is None:
        pytest.skip("needs recorded conversations: give their directory with --data DIR")
    files = [str(path) for path in sorted((recordings / "trajectories").glob("*.jsonl.zst"))]
    assert files

    def say(*words: str, code: int = 0) -> str:
        assert program(["--store", str(tmp_path / "runs"), *words]) == code
        return capsys.readouterr().out

    assert program(["init", str(tmp_path / "runs")]) == 0
    say("import", "conversations", *files)
    entries = [json.loads(line) for line in say("log", "--json").splitlines()]
    assert len(entries) > 1_000

    first = entries[-1]["execution"]
    changed = say("log", "--oneline", "--changed", "prompt", "--against", first).splitlines()[-1].split()[0]
    assert re.search(r"^prompt ", say("diff", "--stat", first, changed), re.MULTILINE)

    booking = next(
        found
        for line in say("grep", r"reservation [A-Z0-9]{6}\b", "--in", "output").splitlines()
        for found in re.findall(r"\b[A-Z0-9]{6}\b", line)
    )
    place = say("grep", booking, "--in", "output").splitlines()[0].split()[0]
    assert booking in say("show", place)

    assert "unknown" in say("check", place.partition(":")[0], code=14)
