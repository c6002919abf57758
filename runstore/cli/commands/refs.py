"""`runstore refs`: list refs."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.cli.ids import Shortener
from runstore.cli.output import clip, columns
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
        rows = [(_shown(ref.name), short(ref.target), safe.line(first_line(reader.get(ref.target.id), reader.get))) for ref in found]
    for ref, row in zip(found, columns(rows) if rows else [], strict=True):
        style = "green" if ref.target.kind == Kind.EXECUTION else "yellow"
        name = _shown(ref.name)
        context.out.line(context.out.paint(name, style) + clip(row, context.out.width)[len(name) :])


def _full(prefix: str | None) -> str:
    if prefix is None:
        return ""
    return prefix if (prefix + "/").startswith(PREFIXES) or prefix.startswith(PREFIXES) else "heads/" + prefix


def _shown(name: str) -> str:
    return name.removeprefix("heads/")


COMMAND = Command(
    run,
    argument("PREFIX", required=False),
    JSON,
    help="""List refs with what they point at, by name; with PREFIX only those that start with it.

A ref under heads/ is shown without that, as it may be written.""",
    examples="""runstore refs
runstore refs conversations/
runstore refs tags/""",
)
