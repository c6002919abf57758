"""What all tests share: the option that names a directory of recordings, which the project does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--data DIR`."""
    parser.addoption(
        "--data", type=Path, metavar="DIR", default=None, help="directory of recorded exchanges and conversations, for soak tests"
    )


@pytest.fixture
def recordings(request: pytest.FixtureRequest) -> Path | None:
    """The directory of recordings, or None."""
    found: Path | None = request.config.getoption("--data")
    return found
