"""`runstore replay`: run a program whose model calls are answered from the store."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option
from runstore.cli.errors import report, say
from runstore.cli.output import count

_SHOWN = 5
_NOT_RECORDED = 15


def run(context: Context, *, command: tuple[str, ...], mode: str | None, choice: str | None) -> int:
    """Run a program; return its exit code, or 15 if that is 0 and a call was not recorded."""
    from runstore.capture.children import environment
    from runstore.capture.launching import NoProgram, launch
    from runstore.reproduce.replay.children import settings
    from runstore.reproduce.replay.choosing import parse_choice
    from runstore.reproduce.replay.replaying import OFF, REPLAY

    mode = mode or REPLAY
    parse_choice(choice or "latest")
    repo = context.repo_to_read() if mode == REPLAY else context.repo_to_write()
    store = repo.store
    place = getattr(store, "directory", None) or getattr(store, "path", None)
    with tempfile.TemporaryDirectory(prefix="runstore-replay-") as scratch:
        told = os.path.join(scratch, "told")
        given = environment(os.environ, settings(mode, os.path.abspath(str(place)), choice or "latest", told))
        try:
            code = launch(command, os.environ if mode == OFF else given)
        except NoProgram as error:
            report(error)
            return error.code
        found = _read(told)
    missed = sum(one["missed"] for one in found)
    if mode != OFF:
        _say(found, missed)
    return _NOT_RECORDED if code == 0 and missed and mode == REPLAY else code


def _read(path: str) -> list[dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def _say(found: list[dict[str, Any]], missed: int) -> None:
    if not found:
        say("no call was seen: runstore answers the calls of Python programs that use httpx or botocore")
        return
    say(f"answered {count(sum(one['hits'] for one in found), 'call')} from the store, {missed} not recorded")
    for text in [miss for one in found for miss in one["misses"]][:_SHOWN]:
        say(f"  {text}")
    compared = [one["compared"] for one in found if one["compared"]]
    if compared:
        same, different, new = map(sum, zip(*compared, strict=True))
        say(f"compared with what was recorded: {same} the same, {different} different, {new} not recorded before")


COMMAND = Command(
    run,
    argument("COMMAND", many=True),
    option(
        "--mode",
        metavar="MODE",
        choices=("replay", "auto", "record", "compare", "off"),
        help="replay (the default), auto, record, compare or off.",
    ),
    option("--choice", metavar="CHOICE", help="Among several answers: latest (the default), first, sequence or sample:SEED."),
    help="""Run a program and answer its model calls from the store, by what they ask. Nothing is sent.

A call that is not recorded raises an error in the program, and names the nearest that is and what differs; the exit code is 15 if the
program's own is 0. auto sends such a call and records it, record sends all, compare sends all and says whether the answers are those
recorded. An answer is given in the form asked for, in one piece or streamed, whichever was recorded. Write -- before the command.""",
    examples="""runstore replay -- python app.py
runstore replay --mode auto -- python app.py
runstore replay --store tests/calls.runs -- pytest""",
)
