"""`runstore push`: send refs and what they lead to."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, option
from runstore.cli.errors import say


def run(
    context: Context,
    *,
    remote: str | None,
    refs: tuple[str, ...],
    all: bool,
    tags: bool,
    force: bool,
    join: bool,
    dry_run: bool,
    message: str | None,
    json: bool,
) -> None:
    """Send what the remote lacks and move its refs forward."""
    with exchanging.exchange(context, "pushing") as exchange:
        pushed = exchange.push(remote, refs, all_heads=all, tags=tags, force=force, join=join, dry_run=dry_run, message=message or "")
    if json:
        context.out.json(
            {
                "refs": exchanging.moves_json(pushed.refs),
                "objects": pushed.objects,
                "bytes": pushed.bytes,
                "new_objects": pushed.new,
                "dry_run": dry_run,
            }
        )
        return
    exchanging.say_moves(context.out, pushed.refs)
    say(f"{'would send' if dry_run else 'sent'} {exchanging.amount(pushed.objects, pushed.bytes)}")


COMMAND = Command(
    run,
    argument("REMOTE", required=False),
    argument("REF", name="refs", many=True, required=False),
    flag("--all", help="Every head."),
    flag("--tags", help="Every tag."),
    flag("--join", help="Where the remote has gone on, pull and push again."),
    flag("--force", help="Move refs there whatever they lead to. Needs leave, and stands in the reflog there."),
    flag("--dry-run", help="Only say what would go."),
    option("--message", "-m", metavar="TEXT", help="A message for the reflog there."),
    JSON,
    help="""Send refs to REMOTE (else origin; a name, a URL or a path) with what they lead to and the remote lacks.

REF is a ref (else the default ref), or REVISION:REF for a ref of another name or an older execution. All refs move or none. A push that
would lose executions there is refused with exit code 11; pull first, or push with --join.""",
    examples="""runstore push
runstore push origin main --join
runstore push /mnt/archive --all --tags
runstore push origin main~100:main""",
)
