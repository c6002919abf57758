"""`runstore log`: list executions, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from runstore.cli import described, logtext
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number, option
from runstore.model.ids import Kind
from runstore.query.filters import Filter, Matcher, parse_where
from runstore.query.log import Entry, tips, walk
from runstore.query.peel import to_run, to_target
from runstore.query.revisions import resolve
from runstore.query.summary import Summaries
from runstore.repo import now_microseconds

if TYPE_CHECKING:
    from runstore.model.ids import Link
    from runstore.store.protocol import Reader


def run(context: Context, *, revs: tuple[str, ...], oneline: bool, graph: bool, json: bool, **asked: Any) -> None:
    """List the executions that the revisions lead to, else those of all local refs."""
    from runstore.cli.settings import zone

    repo = context.repo_to_read()
    now, here = now_microseconds(), zone()
    with repo.read() as reader:
        wanted = _filter(repo.resolve, asked, now, here, lambda rev: _compared(reader, resolve(reader, rev, now=now, zone=here).link))
        begin, hidden = tips(reader, revs, now=now, zone=here)
        summaries = Summaries(reader.get)
        if json:
            for entry in walk(reader, begin, wanted, hidden=hidden):
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
        entries = walk(reader, begin, wanted, hidden=hidden)
        if wanted.session is not None and not oneline:
            from runstore.cli.sessiontree import tree

            context.out.lines(tree(context.out, text, summaries, wanted.session, entries))
            return
        context.out.lines(text.lines(entries))


def _filter(resolve: Callable[[str], Any], asked: dict[str, Any], now: int, here: Any, against: Callable[[str], Link]) -> Filter:
    def time(text: str | None) -> int | None:
        from runstore.query.dates import parse_time

        return None if text is None else parse_time(text, now=now, zone=here)

    return Filter(
        since=time(asked["since"]),
        until=time(asked["until"]),
        model=asked["model"],
        status=asked["status"],
        run=None if asked["run"] is None else resolve(asked["run"]).link.id,
        session=asked["session"],
        where=tuple(map(parse_where, asked["where"])),
        changed=asked["changed"],
        against=None if asked["against"] is None else against(asked["against"]),
        limit=asked["limit"],
    )


def _compared(reader: Reader, link: Link) -> Link:
    target = to_target(reader, link)
    return target if target.kind == Kind.EXECUTION else to_run(reader, target)


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
    option("--run", metavar="ID", help="Executions of this run, or of this request."),
    option("--session", metavar="ID", help="Executions of this session, as a tree of its scopes, in the order of their beginnings."),
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
