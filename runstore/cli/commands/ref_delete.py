"""`runstore ref delete`: remove refs."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option


def run(context: Context, *, name: str, message: str | None) -> None:
    """Remove the ref NAME, and print its full name."""
    context.out.line(f"removed {context.repo().delete_ref(name, message=message or '').name}")


COMMAND = Command(
    run,
    argument("NAME"),
    option("--message", "-m", metavar="TEXT", help="Why; kept in the reflog."),
    help="""Remove a ref. Its executions stay as long as the reflog or another ref leads to them; `runstore undo` takes it back.""",
    examples="runstore ref delete experiments/17",
)
