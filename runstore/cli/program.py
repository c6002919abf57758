"""Running a command line from its words to its exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from runstore.cli import quick
from runstore.cli.context import Context
from runstore.cli.declare import Command
from runstore.cli.errors import guard


def run(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code. Every error that runstore raises on purpose ends as a message on stderr."""
    return guard(lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    parsed = quick.parse(argv)
    if parsed is not None:
        return execute(parsed.command, parsed.common, parsed.values)
    from runstore.cli.clicked import run as run_with_click

    return run_with_click(list(argv))


def execute(command: Command, common: dict[str, Any], values: dict[str, Any]) -> int:
    """Run a command with the values of its parameters, its output flushed before this returns."""
    with Context(**common) as context:
        code = command.run(context, **values)
    sys.stdout.flush()
    return code or 0
