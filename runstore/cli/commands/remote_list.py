"""`runstore remote list`: list remotes."""

from __future__ import annotations

from runstore.cli import exchanging, safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.output import columns


def run(context: Context, *, json: bool) -> None:
    """List the remotes with their URLs, by name."""
    from runstore.sync.remotes import list_remotes

    found = list_remotes(exchanging.directory(context))
    if json:
        for entry in found:
            context.out.json({"name": entry.name, "url": entry.url})
    elif found:
        context.out.lines(columns([(entry.name, safe.line(entry.url)) for entry in found]))


COMMAND = Command(
    run,
    JSON,
    help="""List the remotes with their URLs, by name.""",
    examples="runstore remote list",
)
