"""`runstore rev-parse`: print the id that a revision names."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag


def run(context: Context, *, revs: tuple[str, ...], kind: bool, json: bool) -> None:
    """Print the id that each revision names, in full."""
    repo = context.repo_to_read()
    for rev in revs:
        found = repo.resolve(rev)
        if json:
            context.out.json({"revision": rev, "kind": found.link.kind.label, "id": found.link.hex, "path": found.path, "ref": found.ref})
        else:
            context.out.line((str(found.link) if kind else found.link.hex) + ("" if found.path is None else f":{found.path}"))


COMMAND = Command(
    run,
    argument("REV", name="revs", many=True),
    flag("--kind", help="Print kind:id."),
    JSON,
    help="""Print the id of the object that each REV names, in full.

Of a part inside an object, print the object's id and the path: ID:path.""",
    examples="""runstore rev-parse main
runstore rev-parse main^{run} main^{request}
runstore rev-parse --kind main:history/0""",
)
