"""`runstore pull`: fetch, and join with what is here."""

from __future__ import annotations

from typing import Any

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag
from runstore.cli.errors import say


def run(context: Context, *, remote: str | None, refs: tuple[str, ...], dry_run: bool, json: bool, **asked: Any) -> None:
    """Bring what the remote has, and let our heads lead to it."""
    omission = exchanging.omission_from(**asked)
    with exchanging.exchange(context, "pulling") as exchange:
        pulled = exchange.pull(remote, refs, omission=omission, dry_run=dry_run)
    fetched = pulled.fetched
    if json:
        heads = exchanging.moves_json((head.name, head.old, head.new, head.state) for head in pulled.heads)
        context.out.json({"heads": heads, **exchanging.brought_json(fetched, dry_run=dry_run)})
        return
    exchanging.say_moves(context.out, ((head.name, head.old, head.new, head.state) for head in pulled.heads))
    say(f"{'would bring' if dry_run else 'brought'} {exchanging.amount(fetched.objects, fetched.bytes)}")


COMMAND = Command(
    run,
    argument("REMOTE", required=False),
    argument("REF", name="refs", many=True, required=False),
    *exchanging.OMITTING,
    flag("--dry-run", help="Only say what would come."),
    JSON,
    help="""Fetch from REMOTE (else origin; a name, a URL or a path) and let our heads of the same names lead to what came.

A head that has nothing of its own moves forward. Where both sides have gone on, a merge joins them: a union, never a conflict, and the same
merge on every machine. `runstore log --graph` shows it.""",
    examples="""runstore pull
runstore pull origin main
runstore pull /media/stick/week.runs""",
)
