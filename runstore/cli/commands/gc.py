"""`runstore gc`: drop what nothing leads to."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, flag, number
from runstore.cli.output import count, size


def run(context: Context, *, dry_run: bool, grace: int | None, json: bool) -> None:
    """Drop the objects that no ref, tag, reflog or writer at work leads to, and say how many."""
    wanted = {} if grace is None else {"grace_days": grace}
    repo = context.repo_to_read(check_index=False) if dry_run else context.repo()
    found = repo.gc(dry_run=dry_run, **wanted)
    if json:
        sizes = None if found.sizes is None else dict(found.sizes)
        context.out.json({"kept": found.kept, "dead": found.dead, "dead_bytes": found.dead_bytes, "dry_run": dry_run, "sizes": sizes})
    else:
        verb = "would drop" if dry_run else "dropped"
        context.out.line(f"{verb} {count(found.dead, 'object')} ({size(found.dead_bytes)}), kept {count(found.kept, 'object')}")


COMMAND = Command(
    run,
    flag("--dry-run", help="Only say what would go."),
    number("--grace", metavar="DAYS", help="Keep what was added within DAYS, whatever leads to it. Default: 14."),
    JSON,
    help="""Drop the objects that nothing leads to: no ref, no tag, no reflog, no writer at work, and not added within the grace period.

What was undone or deleted stays until `runstore reflog expire` forgets it.""",
    examples="""runstore gc --dry-run
runstore gc --grace 0""",
)
