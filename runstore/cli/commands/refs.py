"""`runstore refs`: list refs."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.cli.ids import Shortener
from runstore.cli.output import clip, clip_start, columns
from runstore.model.ids import Kind
from runstore.query.summary import first_line
from runstore.refs import PREFIXES


def run(context: Context, *, prefix: str | None, json: bool) -> None:
    """List refs with what they point at, by name."""
    repo = context.repo_to_read()
    found = repo.refs(_full(prefix))
    if json:
        for ref in found:
            context.out.json({"name": ref.name, "target": str(ref.target)})
        return
    context.out.page()
    with repo.read() as reader:
        short = Shortener(reader)
        names = [clip_start(ref.name.removeprefix("heads/"), context.out.width * 3 // 5) for ref in found]
        lines = [safe.line(first_line(reader.get(ref.target.id), reader.get)) for ref in found]
        rows = list(zip(names, map(short, (ref.target for ref in found)), lines, strict=True))
    for ref, name, row in zip(found, names, columns(rows) if rows else [], strict=True):
        style = "green" if ref.target.kind == Kind.EXECUTION else "yellow"
        context.out.line(context.out.paint(name, style) + clip(row, context.out.width)[len(name) :])


def _full(prefix: str | None) -> str:
    if prefix is None:
        return ""
    return prefix if (prefix + "/").startswith(PREFIXES) or prefix.startswith(PREFIXES) else "heads/" + prefix


COMMAND = Command(
    run,
    argument("PREFIX", required=False),
    JSON,
    help="""List refs with what they point at, by name; with PREFIX only those that start with it.

A ref under heads/ is shown without that, as it may be written. Of a name that takes most of the screen
its end is shown; --json gives it whole.""",
    examples="""runstore refs
runstore refs conversations/
runstore refs tags/""",
)
