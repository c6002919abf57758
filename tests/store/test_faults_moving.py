"""A store that is rewritten under its writers loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.processes import assert_whole, line, rest, started


def _under_writers(directory: Path, writers: int, turns: int) -> int:
    with started() as start:
        rewriter = start("rewrite_groups", directory, 1_000_000)
        line(rewriter)
        for process in [start("add_groups", directory, part, turns) for part in range(writers)]:
            _, errors = process.communicate(timeout=1200)
            assert process.returncode == 0, errors
        rewriter.kill()
        generations = rest(rewriter)
    assert_whole(directory, {part: set(range(turns)) for part in range(writers)})
    return len(generations)


def test_rewriting_under_four_writers(tmp_path: Path) -> None:
    """Four processes add while a fifth rewrites in a loop: all that was added is there, and the store was moved meanwhile."""
    assert _under_writers(tmp_path / "store", 4, 30) > 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_rewriting_under_four_writers_for_long(tmp_path: Path) -> None:
    """The same for longer."""
    assert _under_writers(tmp_path / "store", 4, 250) > 20
