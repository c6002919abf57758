"""`runstore show`: a run, an execution or a part of one, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.errors import InvalidInput
from runstore.model.executions import decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.slots import is_run
from runstore.model.trees import decode_tree
from runstore.query.peel import runs_named, to_run
from runstore.query.revisions import resolve
from runstore.repo import now_microseconds

if TYPE_CHECKING:
    from runstore.query.revisions import Found
    from runstore.store.protocol import Reader


def run(context: Context, *, rev: str, part: str | None, json: bool) -> None:
    """Show what REV names; with a part, that part of it."""
    text = rev if part is None else _joined(rev, part)
    with context.repo_to_read().read() as reader:
        found = _resolve(reader, text)
        link = _subject(reader, found)
        if link is None:
            _show_part(context, reader, text, json)
        elif json:
            context.out.json(_whole(reader, link, found))
        else:
            context.out.page()
            from runstore.cli.showtext import show

            context.out.lines(show(context.out, reader, link, found))


def _joined(rev: str, part: str) -> str:
    from runstore.query.revisions import split

    if split(rev)[2] is not None:
        raise InvalidInput(
            f"{rev} names a part already, and {part} is another", hint=f"write {rev} or {rev.split(':')[0]} {part}", kind="bad-revision"
        )
    return f"{rev}:{part}"


def _resolve(reader: Reader, text: str) -> Found:
    if "@{" in text:
        from runstore.cli.settings import zone

        return resolve(reader, text, now=now_microseconds(), zone=zone())
    return resolve(reader, text, now=now_microseconds())


def _subject(reader: Reader, found: Found) -> Link | None:
    """Return the run, execution or tag to show; None for everything else, a part of one included."""
    link = found.link
    if found.path is not None or link.kind not in (Kind.TREE, Kind.EXECUTION, Kind.TAG):
        return None
    if link.kind != Kind.TREE:
        return link
    if reader.address(link.id) is not None and not is_run(decode_tree(reader.get(link.id).body)):
        return None
    runs = runs_named(reader, link)
    return runs[0] if len(runs) == 1 else to_run(reader, link)


def _show_part(context: Context, reader: Reader, text: str, json: bool) -> None:
    from runstore.cli.parts import as_json, lines
    from runstore.query.paths import follow, parse_path

    found = _resolve(reader, text)
    place = follow(found.link, parse_path(found.path) if found.path else (), reader.get)
    if json:
        context.out.json(as_json(text, found, place, reader.get))
    else:
        context.out.page()
        context.out.lines(lines(place, reader.get))


def _whole(reader: Reader, link: Link, found: Found) -> dict[str, Any]:
    from runstore.cli import contents, described
    from runstore.cli.showjson import as_json

    if link.kind == Kind.TAG:
        return {"kind": "tag", **contents.tag_of(link, reader.get)}
    if link.kind == Kind.EXECUTION:
        execution = decode_execution(reader.get(link.id).body)
        if execution.run is None:
            return {"kind": "merge", "ref": found.ref, **described.execution(link, execution)}
    return as_json(reader, link, found.ref)


COMMAND = Command(
    run,
    argument("REV"),
    argument("PART", required=False),
    JSON,
    help="""Show a run or an execution: its slots with state, size and first lines, its executions, and whether it is complete.

With PART (SLOT, SLOT/N or SLOT/N.path) show that part in full. Besides the executions of the run, those of the same request that another
runtime answered are listed, and whether all outputs agree.""",
    examples="""runstore show main
runstore show main prompt
runstore show main~3 history/0.content
runstore show 3f9a12cd --json""",
)
