"""`runstore log`: list executions, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runstore.cli import described, logtext
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number, option
from runstore.cli.errors import say
from runstore.model.slots import READING_ORDER
from runstore.query.filters import Filter, Matcher
from runstore.query.log import Entry, filter_of, tips, walk
from runstore.query.near import near_hint
from runstore.query.paths import OWN_FIELDS, parse_path
from runstore.query.summary import Summaries
from runstore.repo import now_microseconds

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

_NAMES = frozenset((*READING_ORDER, *OWN_FIELDS, "extra_fields"))


def run(context: Context, *, revs: tuple[str, ...], oneline: bool, graph: bool, json: bool, **asked: Any) -> None:
    """List the executions that the revisions lead to, else those of all local refs."""
    from runstore.cli.settings import zone

    repo = context.repo_to_read()
    now, here = now_microseconds(), zone()
    with repo.read() as reader:
        wanted = filter_of(reader, asked, now=now, zone=here)
        begin, hidden = tips(reader, revs, now=now, zone=here)
        summaries = Summaries(reader.get)
        if json:
            for entry in _told(walk(reader, begin, wanted, hidden=hidden), wanted):
                context.out.json(
                    {
                        **described.execution(entry.link, entry.execution),
                        "refs": list(entry.refs),
                        **described.summary(summaries.of(entry.execution)),
                    }
                )
            return
        context.out.page()
        text = logtext.LogText(context.out, reader, summaries, oneline=oneline)
        if graph:
            entries = walk(reader, begin, None, hidden=hidden)
            wants = _matching(reader, wanted, entries)
            context.out.lines(text.graph(wants, {link.id for link in hidden}, wanted.limit))
            return
        entries = _told(walk(reader, begin, wanted, hidden=hidden), wanted)
        if wanted.session is not None and not oneline:
            from runstore.cli.sessiontree import tree

            context.out.lines(tree(context.out, text, summaries, wanted.session, entries))
            return
        context.out.lines(text.lines(entries))


def _told(entries: Iterator[Entry], wanted: Filter) -> Iterator[Entry]:
    """Yield the entries; where there are none, tell what may be the reason: a slot that no run has, or logs along which nothing changed."""
    entry = None
    for entry in entries:
        yield entry
    if entry is not None:
        return
    for name in (*([parse_path(wanted.changed)[0]] if wanted.changed else []), *(condition.path[0] for condition in wanted.where)):
        if name not in _NAMES:
            say(f"nothing here has a slot {name!r}")
            say(f"hint: {near_hint(name, _NAMES, 'slots are ' + ', '.join(READING_ORDER))}")
            return
    if wanted.changed and wanted.limit != 0 and wanted == Filter(changed=wanted.changed, limit=wanted.limit):
        say(f"along no log does {wanted.changed} differ from the execution before")
        say("hint: --against REV compares every execution with one")


def _matching(reader: Reader, wanted: Filter, entries: Iterator[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Say of each entry whether it is wanted: the graph is drawn through those that are not, too."""
    from runstore.runs.lookup import load_execution

    matcher = Matcher(wanted, reader.get, lambda link: load_execution(reader, link.id))
    return ((entry, matcher.fits(entry.execution)) for entry in entries)


COMMAND = Command(
    run,
    argument("REV", name="revs", many=True, required=False),
    flag("--oneline", help="One line an execution."),
    flag("--graph", help="Draw the lines of executions to the left."),
    option("--since", metavar="TIME", help='Started at TIME or later: 2026-01-31, 2026-01-31T12:00Z, "2 hours ago".'),
    option("--until", metavar="TIME", help="Started before TIME."),
    option("--model", metavar="NAME", help="The model asked for or served; * stands for any text."),
    option(
        "--status",
        metavar="STATUS",
        choices=("ok", "error", "partial", "interrupted", "merge"),
        help="ok, error, partial, interrupted or merge.",
    ),
    option("--run", metavar="REV", help="Executions of this run (of an execution: its run), or of this request."),
    option("--session", metavar="ID", help="Executions of this session, as a tree of its scopes, in the order of their beginnings."),
    option("--scope", metavar="PATH", help="Executions of this scope: agent/search."),
    option("--where", metavar="PATH=VALUE", many=True, help="A part of the execution or of its run has this value. Repeatable."),
    option("--changed", metavar="SLOT", help="SLOT differs from the execution before it on the same ref."),
    option("--against", metavar="REV", help="With --changed: SLOT differs from that of REV."),
    number("--limit", "-n", metavar="N", help="At most N executions."),
    JSON,
    help="""List the executions that REV leads to (a ref, an execution, a..b), else those of all local refs, newest first.

Each is shown with its id, time, refs, model, tokens, and the end of the question → the start of the answer. With --session, those of
a session are shown as the tree of its scopes (an agent's calls, tools and sub-agents); --oneline, --graph and --json list them.""",
    examples="""runstore log --oneline --limit 20
runstore log main --changed prompt
runstore log --changed prompt --against conversations/first
runstore log --where parameters.temperature=0 --model 'gpt-4o*'
runstore log main~5..main --graph""",
)
