"""`runstore cat`: print an object or a part of one."""

from __future__ import annotations

from typing import Any

from runstore.cli.contents import value_of
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag
from runstore.errors import InvalidInput
from runstore.model.ids import Kind, Link


def run(context: Context, *, rev: str, body: bool, json: bool) -> None:
    """Print what REV names: bytes as they are, everything else as JSON."""
    from runstore.cli.settings import zone
    from runstore.query.paths import follow, parse_path
    from runstore.query.revisions import resolve
    from runstore.repo import now_microseconds

    repo = context.repo_to_read()
    with repo.read() as reader:
        found = resolve(reader, rev, now=now_microseconds(), zone=zone())
        if body and found.path is not None:
            raise InvalidInput(
                f"{rev} names a part of {found.link}, and a part has no body", hint="leave out --body, or name the whole object"
            )
        place = follow(found.link, parse_path(found.path) if found.path else (), reader.get)
        obj = reader.get(found.link.id)
        value: Any = place.value if found.path else value_of(obj.link, reader.get)
    if isinstance(value, Link) and value.kind == Kind.BLOB:
        obj = repo.fetch(value.id)
    if json:
        context.out.json({"kind": obj.link.kind.label, "id": obj.link.hex, "path": found.path, "bytes": len(obj.body), "value": value})
    elif body or obj.kind == Kind.BLOB:
        context.out.bytes(obj.body)
    else:
        context.out.value(value)


COMMAND = Command(
    run,
    argument("REV"),
    flag("--body", help="Print the object's body: the bytes that its id is the hash of."),
    JSON,
    help="""Print an object or a part of one: a blob's bytes as they are, everything else as JSON.

A link inside a value is shown as {"$link": "kind:id"}. `runstore show REV SLOT` prints text for people.""",
    examples="""runstore cat main:prompt
runstore cat main:history/0
runstore cat main --body | b3sum --derive-key "runstore 2026 v1 execution" """.rstrip(),
)
