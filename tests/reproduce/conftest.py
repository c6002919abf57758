"""A store to reproduce from, and a command line on it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

import runstore
from runstore.repo import Repo
from tests.cli.conftest import Cli, cli

__all__ = ["Cli", "cli", "repo"]

FIRST = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC


@pytest.fixture
def repo(cli: Cli, tmp_path: Path) -> Iterator[Repo]:
    """A store in the directory in which the command line runs; its clock ticks once a second, its nonces count."""
    ticks, nonces = count(FIRST, 1_000_000), count(1)
    with runstore.open(
        tmp_path / ".runstore", create=True, actor="tester", clock=lambda: next(ticks), nonce=lambda: f"{next(nonces):032x}"
    ) as made:
        yield made
