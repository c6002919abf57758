"""`runstore reflog`: list the changes of refs."""

from __future__ import annotations

from itertools import islice

from runstore.cli import changes, safe, times
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, number
from runstore.cli.ids import Shortener
from runstore.cli.output import clip, clip_start, columns
from runstore.refs import Change


def run(context: Context, *, ref: str | None, limit: int | None, json: bool) -> None:
    """List the changes of REF, or of all refs, newest first."""
    repo = context.repo_to_read()
    found = list(islice(_numbered(repo.reflog(ref)), limit))
    if json:
        for _, change in found:
            context.out.json(changes.as_json(change))
        return
    context.out.page()
    with repo.read() as reader:
        short = Shortener(reader)
        rows = [_row(clip_start(name, context.out.width * 2 // 5), change, short) for name, change in found]
    context.out.lines(clip(row, context.out.width) for row in (columns(rows) if rows else []))


def _row(name: str, change: Change, short: Shortener) -> tuple[str, str, str, str, str]:
    stands = "(removed)" if change.new is None else short(change.new)
    before = "" if change.old is None else f", was {short(change.old)}"
    why = f": {change.message}" if change.message and change.action != "undo" else ""
    return stands, times.local(change.time), change.action, safe.line(change.actor), safe.line(name + before + why)


def _numbered(found: list[Change]) -> list[tuple[str, Change]]:
    """Name each change as a revision names it: by its ref and how many changes of that ref came after."""
    counts: dict[str, int] = {}
    named = []
    for change in found:
        position = counts.get(change.ref, 0)
        counts[change.ref] = position + 1
        named.append((f"{change.ref.removeprefix('heads/')}@{{{position}}}", change))
    return named


COMMAND = Command(
    run,
    argument("REF", required=False),
    number("--limit", "-n", metavar="N", help="At most N changes."),
    JSON,
    help="""List the changes of REF, or of all refs, newest first: where it stands since, when, what was done, and by whom.

The name in the last column is a revision: main@{1} is where main stood before its newest change.""",
    examples="""runstore reflog
runstore reflog main --limit 5""",
)
