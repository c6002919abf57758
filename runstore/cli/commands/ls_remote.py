"""`runstore ls-remote`: list the refs of a remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.cli import exchanging, safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument

if TYPE_CHECKING:
    from runstore.model.ids import Link


def run(context: Context, *, remote: str | None, json: bool) -> None:
    """List the refs of the remote with what they point at."""
    found = _refs(context, remote)
    for name, link in sorted(found.items()):
        if json:
            context.out.json({"name": name, "target": str(link)})
        else:
            context.out.line(f"{link.hex}  {safe.line(name)}")


def _refs(context: Context, remote: str | None) -> dict[str, Link]:
    if remote is not None and exchanging.store_or_none(context) is None:
        from runstore.sync.connect import open_remote

        with open_remote(remote, exchanging.access(exchanging.actor_name(context))) as peer:
            return peer.hello(prefixes=("heads/", "tags/")).refs
    with exchanging.exchange(context, "asking", read_only=True) as exchange:
        return exchange.ls_remote(remote)


COMMAND = Command(
    run,
    argument("REMOTE", required=False),
    JSON,
    help="""List the refs of REMOTE (else origin; a name, a URL or a path) with what they point at. Nothing is fetched.

A URL or a path needs no store here.""",
    examples="""runstore ls-remote
runstore ls-remote week.runs --json""",
)
