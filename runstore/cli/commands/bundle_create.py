"""`runstore bundle create`: write refs and what they lead to into a file."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, option
from runstore.cli.errors import say


def run(context: Context, *, file: str, refs: tuple[str, ...], all: bool, after: tuple[str, ...], json: bool) -> None:
    """Write a bundle."""
    with exchanging.exchange(context, "bundling", read_only=True) as exchange:
        written = exchange.bundle(file, refs, everything=all, after=after)
    if json:
        context.out.json({"file": file, "objects": written.objects, "bytes": written.bytes})
    else:
        say(f"wrote {file}: {exchanging.amount(written.objects, written.bytes)}")


COMMAND = Command(
    run,
    argument("FILE"),
    argument("REF", name="refs", many=True, required=False),
    flag("--all", help="Every head and every tag."),
    option("--after", metavar="REV", many=True, help="Leave out what REV leads to: the receiver has it. Repeatable."),
    JSON,
    help="""Write the refs named (else the default ref) and all that they lead to into FILE, which replaces one that is there.

A bundle can be carried to where no network leads, and be read there as it lies: `runstore --store FILE log`, `runstore clone FILE`,
`runstore pull FILE`. The same runs give the same bytes.""",
    examples="""runstore bundle create week.runs --all
runstore bundle create new.runs main --after main~50""",
)
