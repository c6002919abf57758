"""`runstore replay`: run a program whose model calls are answered from the store."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from typing import Any

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option
from runstore.cli.errors import report, say
from runstore.cli.output import count

_SHOWN = 5
_NOT_RECORDED = 15


def run(context: Context, *, command: tuple[str, ...], mode: str | None, choice: str | None, normalise: tuple[str, ...]) -> int:
    """Run a program; return its exit code, or 15 if that is 0 and a call was not recorded."""
    from runstore.capture.children import environment
    from runstore.capture.launching import NoProgram, launch
    from runstore.reproduce.replay.children import settings
    from runstore.reproduce.replay.choosing import parse_choice
    from runstore.reproduce.replay.normalising import declared
    from runstore.reproduce.replay.replaying import OFF, REPLAY, replay_settings

    mode = mode or REPLAY
    parse_choice(choice or "latest")
    repo = context.repo_to_read() if mode == REPLAY else context.repo_to_write()
    store = repo.store
    place = getattr(store, "directory", None) or getattr(store, "path", None)
    patterns = declared([name for one in normalise for name in one.split(",")] if normalise else None, replay_settings(repo))
    with tempfile.TemporaryDirectory(prefix="runstore-replay-") as scratch:
        told = os.path.join(scratch, "told")
        given = environment(os.environ, settings(mode, os.path.abspath(str(place)), choice or "latest", told, patterns))
        try:
            code = launch(command, os.environ if mode == OFF else given)
        except NoProgram as error:
            report(error)
            return error.code
        found = _read(told)
    missed = sum(one.get("missed", 0) for one in found)
    if mode != OFF:
        _say(found, missed, mode)
    return _NOT_RECORDED if code == 0 and missed and mode == REPLAY else code


def _read(path: str) -> list[dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def _say(found: list[dict[str, Any]], missed: int, mode: str) -> None:
    from runstore.reproduce.replay.replaying import COMPARE, RECORD

    if not found:
        say("no call was seen: runstore answers the calls of Python programs that use httpx or botocore")
        return
    sent = sum(one.get("sent", 0) for one in found)
    if mode in (RECORD, COMPARE):
        say(f"sent and recorded {count(sent, 'call')}")
        _say_compared(found)
        return
    hits = sum(one.get("hits", 0) for one in found)
    names = Counter(name for one in found for name in one.get("normalised", ()))
    through = f" ({', '.join(f'{number} through the normaliser {name}' for name, number in sorted(names.items()))})" if names else ""
    say(f"answered {count(hits, 'call')} from the store{through}, {missed} not recorded")
    told = Counter(text for one in found for text in one.get("misses", ()))
    for text, number in list(told.items())[:_SHOWN]:
        say(f"  {text}" + (f" ({number} times: libraries ask again)" if number > 1 else ""))


def _say_compared(found: list[dict[str, Any]]) -> None:
    compared = [one["compared"] for one in found if "compared" in one]
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
    option(
        "--normalise",
        metavar="NAMES",
        many=True,
        help="What is put aside to find a call that is not recorded as it is: date, time, uuid, id, hex, or a pattern of the settings.",
    ),
    option("--choice", metavar="CHOICE", help="Among several answers: latest (the default), first, sequence or sample:SEED."),
    help="""Run a program and answer its model calls from the store, by what they ask. Nothing is sent.

A call that is not recorded raises an error in the program, and names the nearest that is and what differs; the exit code is 15 if the
program's own is 0. auto sends such a call and records it, record sends all, compare sends all and says whether the answers are those
recorded. An answer is given in the form asked for, in one piece or streamed, whichever was recorded. Calls of functions decorated with
@runstore.tool are answered, too. Write -- before the command.""",
    examples="""runstore replay -- python app.py
runstore replay --mode auto -- python app.py
runstore replay --store tests/calls.runs -- pytest""",
)
