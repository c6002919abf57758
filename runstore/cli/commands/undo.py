"""`runstore undo`: take back the newest change of refs."""

from __future__ import annotations

from runstore.cli.changes import arrow
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.ids import Shortener, text_of
from runstore.cli.output import count

_MOST_LISTED = 20


def run(context: Context, *, json: bool) -> None:
    """Take back the newest operation that is not taken back yet, and say which refs that moved."""
    repo = context.repo()
    changes = repo.undo()
    with repo.read() as reader:
        short = Shortener(reader)
        if json:
            for change in changes:
                context.out.json({"ref": change.ref, "old": text_of(change.old), "new": text_of(change.new)})
            return
        for change in changes[:_MOST_LISTED]:
            context.out.line(f"{change.ref}: {arrow(change, short)}")
        if len(changes) > _MOST_LISTED:
            context.out.line(f"… {count(len(changes) - _MOST_LISTED, 'more ref')}")


COMMAND = Command(
    run,
    JSON,
    help="""Take back the newest change of refs (an add, an import, a set, a delete, a tag) that is not taken back yet.

The refs go back to where they stood; what was recorded stays in the store while the reflog remembers it. Undoing again takes back the
change before; `runstore reflog` lists all, undoings among them.""",
    examples="runstore undo",
)
