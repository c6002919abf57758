"""`runstore fetch`: bring what a remote has, and leave our refs alone."""

from __future__ import annotations

from typing import Any

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag
from runstore.cli.errors import say


def run(context: Context, *, remote: str | None, refs: tuple[str, ...], missing: bool, dry_run: bool, json: bool, **asked: Any) -> None:
    """Bring what the remote's refs lead to; remotes/NAME/... follow them."""
    omission = exchanging.omission_from(**asked)
    with exchanging.exchange(context, "fetching") as exchange:
        if missing:
            fetched = exchange.fetch_missing(remote, dry_run=dry_run)
        else:
            fetched = exchange.fetch(remote, refs, omission=omission, dry_run=dry_run)
    if json:
        context.out.json(exchanging.brought_json(fetched, dry_run=dry_run))
        return
    exchanging.say_moves(context.out, ((ref.ours, ref.old, ref.new, ref.state) for ref in fetched.refs))
    say(f"{'would bring' if dry_run else 'brought'} {exchanging.amount(fetched.objects, fetched.bytes)}")


COMMAND = Command(
    run,
    argument("REMOTE", required=False),
    argument("REF", name="refs", many=True, required=False),
    *exchanging.OMITTING,
    flag("--missing", help="Bring what earlier fetches left out."),
    flag("--dry-run", help="Only say what would come."),
    JSON,
    help="""Bring what the refs of REMOTE (else origin; a name, a URL or a path) lead to, all of them or those named.

Our heads stay; refs under remotes/NAME/ follow the remote's heads. Tags come too; where one of ours has the name, ours stays.""",
    examples="""runstore fetch
runstore fetch origin support/reply --dry-run
runstore fetch --missing""",
)
