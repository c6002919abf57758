"""`runstore tag`: name an object for good."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option


def run(context: Context, *, name: str, rev: str | None, message: str | None) -> None:
    """Make a tag NAME about what REV names, and print the tag's id."""
    context.out.line(context.repo().tag(name, rev or "@", message=message).hex)


COMMAND = Command(
    run,
    argument("NAME"),
    argument("REV", required=False),
    option("--message", "-m", metavar="TEXT", help="What the tag says."),
    help="""Make a tag: a statement with a name, an actor and a time about what REV (else @) names. Prints the tag's id.

The tag is kept under tags/NAME; a name that is taken is refused. `runstore refs tags/` lists tags.""",
    examples="""runstore tag v1 main -m "as shipped" """.rstrip(),
)
