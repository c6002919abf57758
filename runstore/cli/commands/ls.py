"""`runstore ls`: list what an object holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from runstore.cli import safe
from runstore.cli.contents import in_order
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument
from runstore.cli.ids import Shortener
from runstore.cli.output import clip, clip_start, columns
from runstore.errors import InvalidInput
from runstore.model.executions import decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.lists import elements
from runstore.model.tags import decode_tag
from runstore.model.trees import SlotState, decode_tree
from runstore.query.summary import first_line
from runstore.store.protocol import Reader


class Row(NamedTuple):
    """One thing that an object holds: its name or number there, and its link or the state of an empty slot."""

    name: str
    holds: Link | SlotState


def run(context: Context, *, rev: str | None, json: bool) -> None:
    """List the slots of a run, the elements of a list, or what an execution or tag links to; without REV, the refs."""
    repo = context.repo_to_read()
    link = None if rev is None else _whole(repo.resolve(rev).link, repo.resolve(rev).path, rev)
    with repo.read() as reader:
        rows = [Row(ref.name, ref.target) for ref in repo.refs()] if link is None else list(_rows(reader, link))
        if json:
            for row in rows:
                state, target = (row.holds.value, None) if isinstance(row.holds, SlotState) else ("present", str(row.holds))
                context.out.json({"name": row.name, "state": state, "link": target})
            return
        context.out.page()
        short = Shortener(reader)
        cells = [_cells(row, short, reader, context.out.width * 3 // 5) for row in rows]
    context.out.lines(clip(line, context.out.width) for line in (columns(cells) if cells else []))


def _whole(link: Link, path: str | None, rev: str) -> Link:
    if path is not None:
        raise InvalidInput(f"{rev} names a part of a value, and holds no objects", hint=f"`runstore cat {rev}` prints it")
    return link


def _rows(reader: Reader, link: Link) -> Iterator[Row]:
    obj = reader.get(link.id)
    if link.kind == Kind.LIST:
        yield from (Row(str(number), element) for number, element in enumerate(elements(link, reader.get)))
    elif link.kind == Kind.TREE:
        yield from (Row(name, slot) for name, slot in in_order(decode_tree(obj.body)))
    elif link.kind == Kind.EXECUTION:
        found = decode_execution(obj.body)
        named = [("run", found.run), *(("parent", parent) for parent in found.parents), ("cause", found.cause)]
        named += [("output", found.output), ("response", found.response), ("wire", found.wire)]
        yield from (Row(name, target) for name, target in named if target is not None)
    elif link.kind == Kind.TAG:
        yield Row("target", decode_tag(obj.body).target)
    else:
        from runstore.model.objects import links_of

        yield from (Row(str(number), target) for number, target in enumerate(links_of(obj.kind, obj.body)))


def _cells(row: Row, short: Shortener, reader: Reader, most: int) -> tuple[str, str, str, str]:
    name = clip_start(row.name, most)
    if isinstance(row.holds, SlotState):
        return name, row.holds.value, "", ""
    line = safe.line(first_line(reader.get(row.holds.id), reader.get)) if reader.address(row.holds.id) is not None else "(not here)"
    return name, row.holds.kind.label, short(row.holds), line


COMMAND = Command(
    run,
    argument("REV", required=False),
    JSON,
    help="""List what an object holds: the slots of a run, the elements of a list, what an execution, a tag or a value links to.

Without REV, list the refs.""",
    examples="""runstore ls main^{run}
runstore ls main:tools""",
)
