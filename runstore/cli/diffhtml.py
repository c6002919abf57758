"""A difference as a page of its own: one HTML file with nothing to load and no script, readable on any screen and in print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from runstore.cli import safe, times
from runstore.cli.difftext import by_how_much
from runstore.cli.output import count
from runstore.query import words
from runstore.query.diff import CallsDiff, Component, Diff, ElementChange, ElementsDiff, KeyChange, Side, TextDiff, ToolsDiff, unified

Show = Callable[[str], Any]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --dim: #60646c; --paper: #fff; --card: #f7f8f9; --rule: #d9dce1;
  --gone: #ffe5e3; --gone-ink: #8f1d14; --came: #dff5e3; --came-ink: #14602a; --head: #3a5ba0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #9ba1a9; --paper: #16181a; --card: #1f2225; --rule: #363a3f;
  --gone: #4a1d1a; --gone-ink: #ffb4ac; --came: #173a22; --came-ink: #a4e5b5; --head: #9db8f2; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.3rem; margin: 0 0 .8rem } h2 { font-size: 1.05rem; margin: 0 }
h3 { font-size: .9rem; margin: .8rem 0 .3rem; color: var(--dim) }
code, pre, td.v { font-family: ui-monospace, monospace; font-size: .86rem }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; margin-bottom: 1rem }
.side, details { border: 1px solid var(--rule); border-radius: 6px; background: var(--card); padding: .7rem 1rem; overflow: hidden }
.side code { display: block; font-size: .68rem; overflow-wrap: anywhere } .dim { color: var(--dim) }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 0 0 1rem }
nav a { color: var(--head); white-space: nowrap; text-decoration: none }
nav a:hover { text-decoration: underline }
details { margin-bottom: 1rem } summary { cursor: pointer; display: flex; gap: .8rem; align-items: baseline }
summary::before { content: "▸"; color: var(--dim) } details[open] > summary::before { content: "▾" }
pre { margin: .5rem 0; padding: .5rem 0; background: var(--paper); border: 1px solid var(--rule); border-radius: 4px;
  white-space: pre-wrap; overflow-wrap: anywhere }
pre span.l { display: block; padding: 0 .8rem; min-height: 1.5em } .h { color: var(--head) }
.gone, del { background: var(--gone); color: var(--gone-ink) } .came, ins { background: var(--came); color: var(--came-ink) }
del, ins { border-radius: 3px; padding: 0 .1em } ins { text-decoration: none }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
td { border-top: 1px solid var(--rule); padding: .25rem .6rem; vertical-align: top }
td:first-child { width: min(16rem, 40%); overflow-wrap: anywhere } td.v { overflow-wrap: anywhere }
ul { margin: .4rem 0; padding-left: 1.2rem } li { margin: .2rem 0 }
@media (max-width: 60rem) { .sides { grid-template-columns: 1fr } }
@media (max-width: 40rem) { body { padding: .8rem } }
@media print { details { break-inside: avoid } }
"""
_UNITS = {"documents": "document", "history": "message", "output": "message"}


def page(found: Diff, old: str, new: str, show: Show) -> str:
    """Return the page for a difference. `old` and `new` are the revisions as named; `show` gives the view of one."""
    title = f"{old} → {new}"
    return "".join(
        [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head><body>\n<h1>{_text(title)}</h1>\n",
            f'<div class="sides">{_side(found.a, old, show)}{_side(found.b, new, show)}</div>\n',
            _contents(found),
            *(_component(component) for component in found.components),
            "</body></html>\n",
        ]
    )


def _side(side: Side, name: str, show: Show) -> str:
    lines = [f"<strong>{_text(name)}</strong>", f"run <code>{side.run.hex}</code>"]
    if side.execution is not None:
        view = show(str(side.execution))
        lines.append(f"execution <code>{side.execution.hex}</code>")
        when = "" if view.started is None else times.utc(view.started)
        lines.append(f'<span class="dim">{_text(" · ".join(part for part in (when, view.status or "", view.actor or "") if part))}</span>')
    return f'<div class="side">{"".join(f"<div>{line}</div>" for line in lines)}</div>'


def _contents(found: Diff) -> str:
    if found.equal:
        return "<p>Nothing differs.</p>\n"
    links = (
        f'<a href="#{_text(stat.slot)}">{_text(stat.slot)} <span class="dim">{_counted(stat.added, stat.removed, stat.changed)}</span></a>'
        for stat in found.stat()
    )
    return f"<nav>{''.join(links)}</nav>\n"


def _counted(added: int, removed: int, changed: int) -> str:
    return " ".join(f"{sign}{number}" for sign, number in (("+", added), ("−", removed), ("~", changed)) if number)


def _component(one: Component) -> str:
    states = f"{one.old_state} → {one.new_state}" if one.old_state != one.new_state else _size(one)
    head = f'<summary><h2>{_text(one.slot)}</h2> <span class="dim">{_text(states)}</span></summary>'
    return f'<details open id="{_text(one.slot)}">{head}{"".join(_inside(one))}</details>\n'


def _size(one: Component) -> str:
    if one.elements is not None:
        unit = _UNITS.get(one.slot, "element")
        same = f", the first {one.elements.common} the same" if one.elements.common else ""
        return f"{one.elements.old_count} → {count(one.elements.new_count, unit)}{same}"
    return f"{one.tools.old_count} → {count(one.tools.new_count, 'tool')}" if one.tools is not None else ""


def _inside(one: Component) -> Iterator[str]:
    if one.text is not None:
        yield _lines(one.text)
    elif one.tools is not None:
        yield from _tools(one.tools)
    elif one.elements is not None:
        yield from _elements(one.elements, _UNITS.get(one.slot, "element"))
    elif one.keys:
        yield _keys(one.keys)
    elif one.old is not None and one.new is not None:
        yield f"<p><del>{one.old}</del><br><ins>{one.new}</ins></p>"


def _lines(found: TextDiff) -> str:
    made: list[str] = []
    for hunk in found.hunks:
        made.append(_line("h", next(unified(TextDiff((hunk,), 0, 0)))))
        for line in words.lines(hunk):
            if line.sign == "~":
                made.append(f'<span class="l">~{"".join(map(_piece, line.pieces))}</span>')
            else:
                made.append(_line({"-": "gone", "+": "came"}.get(line.sign, ""), line.sign + line.text))
    return f"<pre>{''.join(made)}</pre>" if made else ""


def _line(kind: str, text: str) -> str:
    return f'<span class="l {kind}">{_text(text)}</span>'


def _piece(piece: words.Piece) -> str:
    if piece.sign == words.CUT:
        return '<span class="dim"> … </span>'
    tag = {words.GONE: "del", words.CAME: "ins"}.get(piece.sign)
    return _text(piece.text) if tag is None else f"<{tag}>{_text(piece.text)}</{tag}>"


def _keys(changes: tuple[KeyChange, ...]) -> str:
    if any(change.change == "reordered" for change in changes):
        return "<p>Only the order of keys differs.</p>"
    rows = (f'<tr><td>{_text(change.path)}</td><td class="v">{_values(change)}</td></tr>' for change in changes)
    return f"<table>{''.join(rows)}</table>" if changes else ""


def _values(change: KeyChange) -> str:
    old = "" if change.change == "added" else f"<del>{_json(change.old)}</del>"
    new = "" if change.change == "removed" else f"<ins>{_json(change.new)}</ins>"
    return " → ".join(part for part in (old, new) if part) + f'<span class="dim">{_text(by_how_much(change))}</span>'


def _tools(found: ToolsDiff) -> Iterator[str]:
    yield _names(found.removed, found.added)
    for change in found.changed:
        yield f"<h3>{_text(change.name)}</h3>{_keys(change.keys)}"
    if found.reordered:
        yield "<p>The order of the tools differs.</p>"


def _names(removed: tuple[str, ...], added: tuple[str, ...]) -> str:
    items = [f"<li><del>{_text(name)}</del></li>" for name in removed] + [f"<li><ins>{_text(name)}</ins></li>" for name in added]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _elements(found: ElementsDiff, unit: str) -> Iterator[str]:
    for change in found.changes:
        yield from _element(change)
    if found.reordered:
        yield f"<p>The order of the {unit}s differs.</p>"


def _element(change: ElementChange) -> Iterator[str]:
    at = change.new_index if change.new_index is not None else change.old_index
    yield f"<h3>{at} {_text(change.label)} <span>{change.change}</span></h3>"
    if change.change != "changed":
        yield _names((change.preview,), ()) if change.change == "removed" else _names((), (change.preview,))
        return
    if change.text is not None:
        yield _lines(change.text)
    if change.calls is not None:
        yield from _calls(change.calls)
    yield _keys(change.keys)


def _calls(found: CallsDiff) -> Iterator[str]:
    yield _names(found.removed, found.added)
    for change in found.changed:
        yield f"<h3>calls {_text(change.name)}</h3>{_keys(change.keys)}"
    if found.reordered:
        yield "<p>The order of the calls differs.</p>"


def _json(value: Any) -> str:
    from runstore.model.jsontext import render_json

    return _text(render_json(value))


def _text(text: str) -> str:
    return escape(safe.text(text))
