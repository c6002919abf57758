"""`runstore ls-remote`: list the refs of a remote."""

from __future__ import annotations

from runstore.cli import exchanging, safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument


def run(context: Context, *, remote: str | None, json: bool) -> None:
    """List the refs of the remote with what they point at."""
    with exchanging.exchange(context, "asking", read_only=True) as exchange:
        found = exchange.ls_remote(remote)
    for name, link in sorted(found.items()):
        if json:
            context.out.json({"name": name, "target": str(link)})
        else:
            context.out.line(f"{link.hex}  {safe.line(name)}")


COMMAND = Command(
    run,
    argument("REMOTE", required=False),
    JSON,
    help="""List the refs of REMOTE (else origin; a name, a URL or a path) with what they point at. Nothing is fetched.""",
    examples="""runstore ls-remote
runstore ls-remote week.runs --json""",
)
