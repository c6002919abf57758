"""The programs in examples/ run as they are, and do what their first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runstore
from tests.transcripts import ROOT

PRINTED = {
    "retrieval.py": [
        "before: A day ticket costs six euros.",
        "after:  A day ticket costs seven euros.",
        "differs: documents",
        "differs: output",
        "the old document was used at documents/0",
        "complete: True",
    ],
    "agent_loop.py": [
        "The sum is 43.",
        "call 1: 1 before it, then a tool call",
        "call 2: 3 before it, then a tool call",
        "call 3: 5 before it, then the answer",
        "23 was read at history/2.content",
        "23 was read at history/2.content",
    ],
}


def example(name: str, *arguments: str) -> list[str]:
    """Run an example as a process; return the lines that it printed."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments], env=surroundings, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", PRINTED)
def test_examples_run(name: str) -> None:
    """Each example prints the same every time, with nothing to set up."""
    assert example(name) == PRINTED[name]


def test_an_example_keeps_its_store_where_it_is_told(tmp_path: Path) -> None:
    """Given a directory, what the example recorded stays there, complete and whole."""
    example("agent_loop.py", str(tmp_path / "runs"))
    with runstore.open(tmp_path / "runs") as repo:
        assert len(list(repo.log("agents/sum-1"))) == 3
        assert repo.check("agents/sum-1").complete
        assert list(repo.fsck()) == []


def test_every_example_is_tested_and_listed() -> None:
    """No program in examples/ is left out of this test or of the list there."""
    listed = (ROOT / "examples" / "README.md").read_text()
    names = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert names == PRINTED.keys()
    assert all(f"({name})" in listed for name in names)
