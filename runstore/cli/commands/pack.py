"""`runstore pack`: compress the store anew."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.output import size


def run(context: Context, *, json: bool) -> None:
    """Copy the store into a new file in reading order, and say what that saved."""
    from runstore.cli.progress import Progress

    with Progress("packing", "objects") as progress:
        packed = context.repo().pack(progress=lambda done: progress.add(done=done))
    if json:
        context.out.json(dict(packed))
    else:
        context.out.line(f"{size(packed['bytes_before'])} → {size(packed['bytes_after'])}")


COMMAND = Command(
    run,
    JSON,
    help="""Compress the store anew, in the order in which it is read, where it is smallest and fastest.

No id changes and nothing is dropped. Writers wait while it runs; readers do not.""",
    examples="runstore pack",
)
