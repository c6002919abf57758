"""`runstore undo`: take back the newest change of refs."""

from __future__ import annotations

from runstore.cli.changes import arrow, text_of
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.ids import Shortener


def run(context: Context, *, json: bool) -> None:
    """Take back the newest operation that is not taken back yet, and say which refs that moved."""
    repo = context.repo()
    changes = repo.undo()
    with repo.read() as reader:
        short = Shortener(reader)
        for change in changes:
            if json:
                context.out.json({"ref": change.ref, "old": text_of(change.old), "new": text_of(change.new)})
            else:
                context.out.line(f"{change.ref}: {arrow(change, short)}")


COMMAND = Command(
    run,
    JSON,
    help="""Take back the newest change of refs (an add, an import, a set, a delete, a tag) that is not taken back yet.

The refs go back to where they stood; what was recorded stays in the store while the reflog remembers it. Undoing again takes back the
change before; `runstore reflog` lists all, undoings among them.""",
    examples="runstore undo",
)
