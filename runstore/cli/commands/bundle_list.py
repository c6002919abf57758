"""`runstore bundle list`: list the refs of a bundle."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag


def run(context: Context, *, file: str, text: bool, json: bool) -> None:
    """List the refs of a bundle and what it builds on, or all that its calls say. Needs no store."""
    from runstore.sync.bundle import open_header

    if text:
        _tell(context, file)
        return
    header = open_header(file)
    if json:
        refs = [{"name": name, "target": str(link)} for name, link in header.refs.items()]
        context.out.json({"refs": refs, "prerequisites": [str(link) for link in header.prerequisites]})
        return
    for name, link in header.refs.items():
        context.out.line(f"{link.hex}  {safe.line(name)}")
    for link in header.prerequisites:
        context.out.line(f"{link.hex}  (builds on this)")


def _tell(context: Context, file: str) -> None:
    from runstore.cli import bundletext
    from runstore.opening import open_repo
    from runstore.sync.bundle import open_header

    refs = open_header(file).refs
    with open_repo(file, actor="") as repo:
        context.out.page()
        context.out.lines(bundletext.lines(refs, repo.fetch))


COMMAND = Command(
    run,
    argument("FILE"),
    flag("--text", help="Print the calls themselves, as lines: for `git diff`."),
    JSON,
    help="""List the refs of a bundle, and the executions that a receiver must have. Needs no store.

With --text the calls of each ref are printed, oldest first, with all that was asked and answered, a thing a line; what an earlier call of
the ref said is named only, and ids that a provider makes up are numbered, since they are new each time. So git can show what changed in a
bundle:

    git config diff.runstore.textconv "runstore bundle list --text"

and `*.runs diff=runstore` in .gitattributes.""",
    examples="""runstore bundle list week.runs
runstore bundle list --text tests/recordings/test_agent.runs""",
)
