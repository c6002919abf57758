"""`import conversations`: the way in for what was recorded before."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import runstore
from benchmarks.clock import spend
from benchmarks.figures import Figure
from runstore.capture.importers.conversations import import_conversations


def importing(sources: Sequence[Path], scratch: Path, git_bytes: int) -> list[Figure]:
    """Import the files into a fresh store: what a run costs, how large the store is at the end, and what packing would still save."""
    with TemporaryDirectory(dir=scratch) as directory:
        store = Path(directory, "runs")
        with runstore.open(store, create=True) as repo:
            runs = 0

            def work() -> None:
                nonlocal runs
                runs = import_conversations(repo, sources).executions

            cpu = spend(work).cpu / runs
        imported = _bytes(store)
        with runstore.open(store) as repo:
            repo.pack()
        return [
            Figure("`import conversations`, processor time a run, reading the files included", cpu, "µs"),
            Figure("bytes when the import ends, notes included, in `git gc --aggressive`", imported / git_bytes, "×"),
            Figure("the same, in bytes of that store packed", imported / _bytes(store), "×"),
        ]


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
