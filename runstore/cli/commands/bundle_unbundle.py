"""`runstore bundle unbundle`: take in what a bundle has."""

from __future__ import annotations

from runstore.cli.commands import pull
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag


def run(context: Context, *, file: str, dry_run: bool, json: bool) -> None:
    """Pull from a bundle."""
    pull.run(context, remote=file if "/" in file else f"./{file}", refs=(), dry_run=dry_run, json=json, depth=None, since=None, without=())


COMMAND = Command(
    run,
    argument("FILE"),
    flag("--dry-run", help="Only say what would come."),
    JSON,
    help="""Take in what a bundle has: as `runstore pull FILE`. Heads that are here too are moved forward, or joined by a merge.""",
    examples="runstore bundle unbundle week.runs",
)
