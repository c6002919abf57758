"""`runstore import conversations`: put recorded conversations in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from runstore.cli import inputs, safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.cli.errors import DONE, PARTLY, say
from runstore.cli.output import count, size

if TYPE_CHECKING:
    from runstore.capture.importers.conversations import Imported


def run(context: Context, *, files: tuple[str, ...], json: bool) -> int:
    """Import conversations, each on a ref of its own, and say what was new."""
    from runstore.capture.importers.conversations import import_conversations
    from runstore.cli.progress import Progress

    sources = [_source(file) for file in files]
    repo = context.repo_to_write()
    with Progress("importing", "conversations", whole=inputs.plain_size(files)) as progress:
        imported = import_conversations(repo, sources, progress=lambda read: progress.add(part=read))
    for skipped in imported.skipped:
        say(f"error: {skipped.file}, line {skipped.line}: {skipped.reason}")
    for key, number in imported.dropped.items():
        say(f"left out: {safe.line(key)} of {count(number, 'conversation')}: only texts, numbers, true, false and null become notes")
    if json:
        context.out.json(_as_json(imported))
    else:
        new = f"{count(imported.new_objects, 'new object')} ({size(imported.new_bytes)})" if imported.new_objects else "nothing new"
        context.out.line(f"{count(imported.conversations, 'conversation')}, {count(imported.executions, 'execution')}, {new}")
    return PARTLY if imported.skipped else DONE


def _source(file: str) -> Path | tuple[str, BinaryIO]:
    if file == "-":
        return inputs.name_of(file), sys.stdin.buffer
    with inputs.open_file(file):  # what cannot be read is said before a store is made
        return Path(file)


def _as_json(imported: Imported) -> dict[str, object]:
    return {
        "conversations": imported.conversations,
        "executions": imported.executions,
        "new_objects": imported.new_objects,
        "bytes": imported.new_bytes,
        "skipped": [{"file": one.file, "line": one.line, "reason": one.reason} for one in imported.skipped],
        "left_out": dict(imported.dropped),
    }


COMMAND = Command(
    run,
    argument("FILE", name="files", many=True),
    JSON,
    help="""Import conversations from JSON lines (also .zst; - for standard input) of {"conversation_id", "model"?, "tools"?, "messages"}.

Every assistant message becomes an execution whose output it is. The leading system and developer messages are the prompt, the other
messages before it the history; what a line does not say is unknown. A conversation is a chain of its own on
heads/conversations/ID. Importing again, or elsewhere, gives the same ids and adds nothing. A bad line is named and skipped: exit code 3.
Where there is no store, ./.runstore is made, and where it is told; a store that --store or $RUNSTORE names must be there.""",
    examples="runstore import conversations trajectories.jsonl.zst",
)
