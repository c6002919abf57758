"""`runstore reindex`: rebuild the derived indexes."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import Command


def run(context: Context) -> None:
    """Build the derived indexes anew from the objects."""
    context.repo().reindex()
    context.out.line("the indexes are rebuilt")


COMMAND = Command(
    run,
    help="Build the derived indexes (who uses what, times, sessions, response ids) anew from the objects. Loses nothing.",
    examples="runstore reindex",
)
