"""`runstore remote remove`: forget a remote."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument


def run(context: Context, *, name: str) -> None:
    """Forget where a remote is."""
    from runstore.sync.remotes import remove_remote

    remove_remote(exchanging.directory(context), name)


COMMAND = Command(
    run,
    argument("NAME"),
    help="""Forget a remote. What was fetched from it stays, and so do the refs under remotes/NAME/.""",
    examples="runstore remote remove old",
)
