"""`runstore diff`: compare two runs component by component."""

from __future__ import annotations

from typing import Any

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, option
from runstore.cli.errors import DIFFERS, DONE
from runstore.query import words
from runstore.query.diff import CallsDiff, Component, Diff, ElementsDiff, KeyChange, Side, TextDiff, ToolsDiff


def run(context: Context, *, a: str, b: str | None, stat: bool, exit_code: bool, html: str | None, json: bool) -> int:
    """Compare the runs or executions A and B, and print what differs."""
    from runstore.cli.difftext import DiffText

    sides = _sides(a, b)
    repo = context.repo_to_read()
    found = repo.diff(*sides)
    if html is not None:
        from runstore.cli.diffhtml import page

        _write(context, html, page(found, *sides, repo.show))
    if json:
        context.out.json(as_json(found))
    elif html is None:
        context.out.page()
        text = DiffText(context.out)
        context.out.lines(text.stat(found.stat()) if stat else text.lines(found))
    return DIFFERS if exit_code and not found.equal else DONE


def _write(context: Context, file: str, text: str) -> None:
    from runstore.cli.errors import say

    if file == "-":
        context.out.bytes(text.encode("utf-8", "xmlcharrefreplace"))
        return
    with open(file, "w", encoding="utf-8", errors="xmlcharrefreplace") as stream:
        stream.write(text)
    say(f"wrote {file}")


def _sides(a: str, b: str | None) -> tuple[str, str]:
    from runstore.query.revisions import as_range

    if b is not None:
        return a, b
    return as_range(a) or (f"{a}~1", a)


def as_json(found: Diff) -> dict[str, Any]:
    """Return a difference as one JSON object."""
    stats = {stat.slot: {"unit": stat.unit, "added": stat.added, "removed": stat.removed, "changed": stat.changed} for stat in found.stat()}
    return {
        "a": _side(found.a),
        "b": _side(found.b),
        "equal": found.equal,
        "components": [{**_component(one), "stat": stats[one.slot]} for one in found.components],
    }


def _side(side: Side) -> dict[str, Any]:
    return {"run": side.run.hex, "execution": None if side.execution is None else side.execution.hex}


def _component(one: Component) -> dict[str, Any]:
    return {
        "slot": one.slot,
        "old_state": one.old_state,
        "new_state": one.new_state,
        "old": None if one.old is None else str(one.old),
        "new": None if one.new is None else str(one.new),
        "text": _text(one.text),
        "keys": _keys(one.keys),
        "tools": _tools(one.tools),
        "elements": _elements(one.elements),
    }


def _text(found: TextDiff | None) -> list[dict[str, Any]] | None:
    if found is None:
        return None
    return [
        {
            "old_start": hunk.old_start,
            "old_count": hunk.old_count,
            "new_start": hunk.new_start,
            "new_count": hunk.new_count,
            "lines": [sign + line for sign, line in hunk.lines],
            "words": [[[piece.sign, piece.text] for piece in line.pieces] for line in words.lines(hunk) if line.sign == "~"],
        }
        for hunk in found.hunks
    ]


def _keys(changes: tuple[KeyChange, ...]) -> list[dict[str, Any]]:
    return [{"path": change.path, "change": change.change, "old": change.old, "new": change.new} for change in changes]


def _tools(found: ToolsDiff | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**_named(found), "old_count": found.old_count, "new_count": found.new_count}


def _elements(found: ElementsDiff | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "common": found.common,
        "old_count": found.old_count,
        "new_count": found.new_count,
        "reordered": found.reordered,
        "changes": [
            {
                "change": change.change,
                "old_index": change.old_index,
                "new_index": change.new_index,
                "old": None if change.old is None else str(change.old),
                "new": None if change.new is None else str(change.new),
                "label": change.label,
                "preview": change.preview,
                "text": _text(change.text),
                "keys": _keys(change.keys),
                "calls": None if change.calls is None else _named(change.calls),
            }
            for change in found.changes
        ],
    }


def _named(found: ToolsDiff | CallsDiff) -> dict[str, Any]:
    return {
        "added": list(found.added),
        "removed": list(found.removed),
        "changed": [{"name": change.name, "keys": _keys(change.keys)} for change in found.changed],
        "reordered": found.reordered,
    }


COMMAND = Command(
    run,
    argument("A"),
    argument("B", required=False),
    flag("--stat", help="Only how much of each component differs."),
    flag("--exit-code", help="Exit with 1 if anything differs."),
    option("--html", metavar="FILE", help="Write the difference as a page of its own, to be sent or kept; - is stdout."),
    JSON,
    help="""Compare two runs or executions component by component, and print what differs.

Prompts are compared by lines, long lines by words, settings by keys, tools by name, histories from the first message that differs, tool
calls by name and argument, documents by content; of two executions the outputs too. With one revision, compare it with the execution
before it; A..B is the same as A B.""",
    examples="""runstore diff main~1 main
runstore diff main --stat
runstore diff main~1 main --html change.html
runstore diff --exit-code release main""",
)
