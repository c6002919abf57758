"""`runstore bundle verify`: check a bundle."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument
from runstore.cli.errors import say


def run(context: Context, *, file: str) -> None:
    """Check every object of a bundle as if it came in, and that what it builds on is here."""
    from runstore.sync.unbundle import verify_bundle

    store = exchanging.store_or_none(context)
    found = verify_bundle(file, store, tables=exchanging.tables())
    say(f"{file} is whole: {exchanging.amount(found.objects, found.bytes)}")


COMMAND = Command(
    run,
    argument("FILE"),
    help="""Check every object of a bundle as a receiver would: ids, form, lists, runs, and that all that is linked to is there.

A bundle that builds on executions it does not hold is checked against the store. Exit code 21 if something is wrong.""",
    examples="runstore bundle verify week.runs",
)
