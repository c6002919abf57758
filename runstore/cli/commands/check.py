"""`runstore check`: say whether runs are complete and repeatable."""

from __future__ import annotations

from runstore.cli import safe, verdicts
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.cli.errors import DONE, INCOMPLETE
from runstore.cli.ids import Shortener
from runstore.cli.output import clip_start
from runstore.model.ids import Kind
from runstore.query.peel import to_run, to_target
from runstore.query.revisions import resolve
from runstore.repo import now_microseconds
from runstore.runs.completeness import Checker

_BEFORE = 24  # what stands before the revision


def run(context: Context, *, revs: tuple[str, ...], json: bool) -> int:
    """Print two verdicts on each run, with reasons. Exit code 14 if one is not complete."""
    from runstore.cli.settings import zone

    repo = context.repo_to_read()
    whole = True
    with repo.read() as reader:
        checker, short = Checker(reader), Shortener(reader)
        for number, rev in enumerate(revs):
            link = to_target(reader, resolve(reader, rev, now=now_microseconds(), zone=zone()).link)
            verdict = checker.check(to_run(reader, link), link if link.kind == Kind.EXECUTION else None)
            whole = whole and verdict.complete
            if json:
                execution = None if verdict.execution is None else verdict.execution.hex
                context.out.json({"revision": rev, "run": verdict.run.hex, "execution": execution, **verdicts.as_json(verdict)})
                continue
            if number:
                context.out.line()
            named = clip_start(safe.line(rev), context.out.width - _BEFORE)
            context.out.line(f"{'run'.ljust(10)}  {context.out.paint(short(verdict.run), 'yellow')}  {named}")
            context.out.lines(verdicts.lines(verdict, context.out))
    return DONE if whole else INCOMPLETE


COMMAND = Command(
    run,
    argument("REV", name="revs", many=True),
    JSON,
    help="""Say of each run whether it is complete and whether it is repeatable, with reasons per slot.

Complete: no slot is unknown, nothing is given only by URL or by an id on a server, and the model is pinned or the version that answered is
recorded. Repeatable is advice: seed, temperature, engine, digest of the weights. + speaks for it, - against it, ? cannot be known.
Exit code 14 if a run is not complete.""",
    examples="""runstore check main
runstore check main release --json""",
)
