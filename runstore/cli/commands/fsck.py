"""`runstore fsck`: verify the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, flag
from runstore.cli.errors import DAMAGED, DONE, say
from runstore.cli.output import count
from runstore.errors import Damaged

if TYPE_CHECKING:
    from runstore.repo import Repo


def run(context: Context, *, fast: bool, json: bool) -> int:
    """Print what is wrong with the store. Exit code 20 if anything is."""
    from runstore.cli.progress import Progress

    found = []
    with Progress("verifying", "objects") as progress:
        for finding in _opened(context).fsck(fast=fast, progress=lambda done: progress.add(done=done)):
            found.append(finding)
            if not json:
                progress.clear()
                context.out.line(f"{finding.code}  {safe.line(finding.message)}")
    if json:
        findings = [{"code": one.code, "subject": one.subject, "message": one.message} for one in found]
        context.out.json({"ok": not found, "findings": findings})
    else:
        say(f"found {count(len(found), 'fault')}" if found else "the store is whole")
    return DAMAGED if found else DONE


def _opened(context: Context) -> Repo:
    """Open the store. Where not even that can be done, there is nothing that this command could tell besides."""
    try:
        return context.repo_to_read(check_index=False)
    except Damaged as error:
        raise Damaged(str(error), hint="bring the store back from a copy", kind=error.kind) from error


COMMAND = Command(
    run,
    flag("--fast", help="Only hashes, references and refs: not the form of every object, nor the derived indexes."),
    JSON,
    help="""Verify that every object is what its id says, has a sound form, and that all it links to is here; and the indexes and refs.

Reads only. Prints each fault with a stable code; exit code 20 if there is one.""",
    examples="""runstore fsck
runstore fsck --fast --json""",
)
