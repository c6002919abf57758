"""`runstore bundle list`: list the refs of a bundle."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument


def run(context: Context, *, file: str, json: bool) -> None:
    """List the refs of a bundle and what it builds on. Needs no store."""
    from runstore.sync.bundle import open_header

    header = open_header(file)
    if json:
        refs = [{"name": name, "target": str(link)} for name, link in header.refs.items()]
        context.out.json({"refs": refs, "prerequisites": [str(link) for link in header.prerequisites]})
        return
    for name, link in header.refs.items():
        context.out.line(f"{link.hex}  {safe.line(name)}")
    for link in header.prerequisites:
        context.out.line(f"{link.hex}  (builds on this)")


COMMAND = Command(
    run,
    argument("FILE"),
    JSON,
    help="""List the refs of a bundle, and the executions that a receiver must have. Needs no store.""",
    examples="runstore bundle list week.runs",
)
