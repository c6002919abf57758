"""`runstore compare`: several runs side by side, or one log by what changed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number
from runstore.cli.errors import DIFFERS, DONE, say

if TYPE_CHECKING:
    from runstore.query.compare import Changed, Comparison
    from runstore.store.protocol import Reader


def run(context: Context, *, revs: tuple[str, ...], all: bool, exit_code: bool, limit: int | None, json: bool) -> int:
    """Compare what the revisions name; with one, the executions of its log."""
    from runstore.cli.comparetext import CompareText
    from runstore.cli.ids import Shortener
    from runstore.query.compare import compare

    repo = context.repo_to_read()
    with repo.read() as reader:
        links = [repo.resolve(rev).link for rev in revs]
        text = CompareText(context.out, Shortener(reader))
        if len(links) == 1:
            changed = _log(context, reader, links[0], text, limit, json)
            return DIFFERS if exit_code and changed else DONE
        found = compare(reader, links)
        if json:
            context.out.json(as_json(found))
        else:
            context.out.page()
            context.out.lines(text.lines(found, revs, everything=all))
    if found.equal and not json:
        say("nothing differs" if all else "nothing differs; --all lists what they hold")
    return DIFFERS if exit_code and not found.equal else DONE


def _log(context: Context, reader: Reader, link: Any, text: Any, limit: int | None, json: bool) -> bool:
    """Print the executions at which something changed; return whether there are any."""
    from itertools import chain, islice

    from runstore.query.compare import changes_along

    found = changes_along(reader, link)
    first = next(found, None)
    if first is None:
        if not json:
            say("nothing but the conversation changed in this log")
        return False
    shown = islice(chain([first], found), limit)
    if json:
        for one in shown:
            context.out.json(_changed(one))
    else:
        context.out.page()
        context.out.lines(text.log(shown))
    return True


def as_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as one JSON object."""
    from runstore.cli.ids import text_of

    return {
        "sides": [{"run": side.run.hex, "execution": None if side.execution is None else side.execution.hex} for side in found.sides],
        "equal": found.equal,
        "components": [
            {
                "slot": row.slot,
                "differs": row.differs,
                "states": list(row.states),
                "links": [text_of(link) for link in row.links],
                "groups": list(row.groups),
                "parts": [{"name": part.name, "groups": list(part.groups), "values": list(part.values)} for part in row.parts],
            }
            for row in found.rows
        ],
    }


def _changed(one: Changed) -> dict[str, Any]:
    from runstore.cli import described

    return {**described.execution(one.link, one.execution), "before": one.before.hex, "changed": list(one.slots)}


COMMAND = Command(
    run,
    argument("REV", name="revs", many=True),
    flag("--all", help="Also the components that all of them share."),
    flag("--exit-code", help="Exit with 1 if anything differs."),
    number("--limit", "-n", metavar="N", help="With one REV: at most N executions."),
    JSON,
    help="""Compare two or more runs or executions: a table of which component differs where. In a row, equal letters hold the same; below a
component stand the keys, tools and documents that differ.

With one REV, list the executions in its log at which something other than the conversation changed, newest first, and what it was.""",
    examples="""runstore compare main~2 main~1 main
runstore compare gpt claude gemini --all
runstore compare main""",
)
