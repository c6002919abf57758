"""`runstore grep`: search texts."""

from __future__ import annotations

from typing import Any

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number, option
from runstore.cli.errors import DONE, FAILED
from runstore.cli.ids import Shortener
from runstore.cli.output import Output, clip, display_width
from runstore.query.grep import PLACES, Match, grep
from runstore.query.log import tips, walk
from runstore.repo import now_microseconds

_LEAST_EXCERPT = 30


def run(
    context: Context, *, regex: str, revs: tuple[str, ...], within: str | None, ignore_case: bool, limit: int | None, json: bool
) -> int:
    """Print the places where REGEX stands, newest execution first. Exit code 1 if it stands nowhere, as grep does."""
    from runstore.cli.settings import zone

    repo = context.repo_to_read()
    places = PLACES if within is None else tuple(place.strip() for place in within.split(","))
    found = 0
    with repo.read() as reader:
        begin, hidden = tips(reader, revs, now=now_microseconds(), zone=zone())
        matches = grep(walk(reader, begin, hidden=hidden), reader.get, regex, places, ignore_case=ignore_case)
        if not json:
            context.out.page()
        short = Shortener(reader)
        for match in matches:
            if found == limit:
                break
            found += 1
            if json:
                context.out.json(as_json(match))
            else:
                context.out.line(line(context.out, short(match.entry.link), match))
    return DONE if found else FAILED


def line(out: Output, id: str, match: Match) -> str:
    """Return a match as `REV:PLACE  text`, the text cut to what stands around the match."""
    place = safe.line(f"{id}:{match.place}")
    room = max(out.width - display_width(place) - 2, _LEAST_EXCERPT)
    before, hit, after = (_flat(part) for part in (match.line[: match.start], match.line[match.start : match.end], match.line[match.end :]))
    hit = clip(hit, room)
    left = before.lstrip()
    spare = room - display_width(hit)
    if display_width(left) > spare // 3 and display_width(left) + display_width(after) > spare:
        keep = max(spare // 3, spare - display_width(after))
        left = "…" + left[len(left) - max(keep - 1, 0) :] if keep > 0 else ""
    right = clip(after.rstrip(), max(spare - display_width(left), 1)) if after.strip() else ""
    return f"{out.paint(place, 'cyan')}  {left}{out.paint(hit, 'bold', 'red')}{right}"


def _flat(text: str) -> str:
    """Make a part of a line safe, its blanks at both ends kept."""
    return safe.text(text.replace("\r", " ").replace("\n", " ").replace("\t", " "))


def as_json(match: Match) -> dict[str, Any]:
    """Return a match as one JSON object."""
    run = match.entry.execution.run
    return {
        "execution": match.entry.link.hex,
        "run": None if run is None else run.hex,
        "refs": list(match.entry.refs),
        "place": match.place,
        "slot": match.slot,
        "index": match.position,
        "path": match.path,
        "object": str(match.object),
        "line_number": match.number,
        "line": match.line,
        "start": match.start,
        "end": match.end,
    }


COMMAND = Command(
    run,
    argument("REGEX"),
    argument("REV", name="revs", many=True, required=False),
    option("--in", metavar="PLACE,…", name="within", help=f"Where to search: {', '.join(PLACES)}. Default: everywhere."),
    flag("--ignore-case", "-i", help="Take capital and small letters for the same."),
    number("--limit", "-n", metavar="N", help="At most N matches."),
    JSON,
    help="""Print where REGEX (of Python's re) stands in the executions that REV leads to, else in those of all local refs, newest first.

Each match is shown with its place as a revision, which `runstore cat` and `runstore show` take. Exit code 1 if there is no match.""",
    examples="""runstore grep 'HATHAT|LAX' --in output
runstore grep -i refund --in prompt,tools --limit 5""",
)
