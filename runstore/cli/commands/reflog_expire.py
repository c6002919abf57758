"""`runstore reflog expire`: forget old changes of refs."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import Command, option
from runstore.cli.output import count

_KEPT = "90 days ago"


def run(context: Context, *, before: str | None) -> None:
    """Forget the changes made before a time."""
    from runstore.cli.settings import zone
    from runstore.query.dates import parse_time
    from runstore.repo import now_microseconds

    time = parse_time(before or _KEPT, now=now_microseconds(), zone=zone())
    forgotten = context.repo().expire_reflog(time)
    context.out.line(f"forgot {count(forgotten, 'change')}")


COMMAND = Command(
    run,
    option("--before", metavar="TIME", help=f"Forget what is older. Default: {_KEPT}."),
    help="""Forget the changes of refs made before a time. What only they led to can then be dropped by `runstore gc`.""",
    examples="""runstore reflog expire --before "30 days ago"
runstore reflog expire --before now""",
)
