"""`runstore dump`: print objects as JSON lines."""

from __future__ import annotations

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument


def run(context: Context, *, rev: str | None, json: bool) -> None:
    """Print every object, or all that REV leads to, each on a line. JSON with or without `--json`."""
    from runstore.maintenance.dump import dump

    repo = context.repo_to_read(check_index=False)
    link = None if rev is None else repo.resolve(rev).link
    with repo.read() as reader:
        for obj in dump(reader, link):
            context.out.line(f'{{"id":"{obj.id.hex()}","kind":"{obj.link.kind.label}","body_hex":"{obj.body.hex()}"}}')


COMMAND = Command(
    run,
    argument("REV", required=False),
    JSON,
    help="""Print every object of the store, or all that REV leads to, as JSON lines of {"id", "kind", "body_hex"}.

An object's id is the hash of its body: BLAKE3 in its mode for deriving keys, with the context "runstore 2026 v1 KIND".""",
    examples="""runstore dump > objects.jsonl
runstore dump main~1""",
)
