"""A difference as people read it: component by component, removed in red with `-`, added in green with `+`, changed with `~`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runstore.cli import safe
from runstore.cli.output import Output, clip, columns, count, display_width
from runstore.query import words
from runstore.query.diff import CallsDiff, Component, Diff, ElementChange, ElementsDiff, Hunk, KeyChange, Stat, TextDiff, ToolsDiff, unified

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "reordered": "~"}
_STYLES = {"+": "green", "-": "red", "~": "yellow", "@": "cyan"}
_PIECES = {words.GONE: ("red",), words.CAME: ("green",), words.CUT: ("dim",)}
_UNITS = {"documents": "document", "history": "message", "output": "message", "tools": "tool"}
_Part = tuple[str, tuple[str, ...]]
_INDENT = "  "
_LABEL_WIDTH = 9


class DiffText:
    """Turns a difference into lines for one output."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def lines(self, found: Diff) -> Iterator[str]:
        """Yield the components that differ, an empty line between two."""
        for number, component in enumerate(found.components):
            if number:
                yield ""
            yield from self._component(component)

    def stat(self, stats: list[Stat]) -> Iterator[str]:
        """Yield a line a component: how much of it differs."""
        rows = [(stat.slot, *(self._counted(stat, number) for number in (2, 3, 4)), stat.unit) for stat in stats]
        yield from columns(rows, right=(1, 2, 3)) if rows else ()

    @staticmethod
    def _counted(stat: Stat, number: int) -> str:
        amount = stat[number]
        return f"{'+-~'[number - 2]}{amount}" if amount else ""

    def _component(self, one: Component) -> Iterator[str]:
        yield self._out.paint(safe.line(one.slot), "bold") + self._heading(one)
        if one.text is not None:
            yield from self._text(one.text, _INDENT)
        elif one.tools is not None:
            yield from self._tools(one.tools)
        elif one.elements is not None:
            yield from self._elements(one.elements, _UNITS.get(one.slot, "element"))
        else:
            yield from self._keys(one.keys, _INDENT)

    def _heading(self, one: Component) -> str:
        if one.old_state != one.new_state:
            return f"  {one.old_state} → {one.new_state}"
        if one.tools is not None:
            return f"  {one.tools.old_count} → {count(one.tools.new_count, 'tool')}"
        if one.elements is not None:
            return self._counts(one.elements, _UNITS.get(one.slot, "element"))
        if not (one.text or one.keys) and one.old is not None and one.new is not None:
            return f"  {one.old.kind.label} {one.old.hex[:12]} → {one.new.kind.label} {one.new.hex[:12]}"
        return ""

    def _counts(self, found: ElementsDiff, unit: str) -> str:
        same = f", the first {found.common} the same" if found.common else ""
        return f"  {found.old_count} → {count(found.new_count, unit)}{same}"

    def _text(self, found: TextDiff, indent: str) -> Iterator[str]:
        for hunk in found.hunks:
            yield self._signed("@", indent + header(hunk))
            for line in words.lines(hunk):
                if line.sign == "~":
                    parts: Sequence[_Part] = [("~", ()), *((piece_text(piece), _PIECES.get(piece.sign, ())) for piece in line.pieces)]
                else:
                    style = _STYLES.get(line.sign)
                    parts = [(safe.text(line.sign + line.text), () if style is None else (style,))]
                yield from self._laid(indent, parts)

    def _laid(self, indent: str, parts: Sequence[_Part]) -> Iterator[str]:
        """Yield a line, on a terminal broken between words where it is too long for it; what goes on is indented."""
        if not self._out.terminal or display_width(indent + "".join(text for text, _ in parts)) <= self._out.width:
            parts = [(indent, ()), *parts] if len(parts) > 1 else [(indent + text, styles) for text, styles in parts]
            yield "".join(self._out.paint(text, *styles) for text, styles in parts)
            return
        made, used = indent, len(indent)
        for text, styles in parts:
            for word in re.findall(r"\s*\S+|\s+", text):
                if used + display_width(word) > self._out.width and used > len(indent) + 2:
                    yield made
                    made, used, word = indent + "  ", len(indent) + 2, word.lstrip()
                made += self._out.paint(word, *styles)
                used += display_width(word)
        yield made

    def _keys(self, changes: tuple[KeyChange, ...], indent: str) -> Iterator[str]:
        width = max((len(safe.line(change.path)) for change in changes), default=0)
        for change in changes:
            yield self._signed(
                _SIGNS[change.change], clip(f"{indent}{_SIGNS[change.change]} {self._key(change, width)}", self._room(indent))
            )

    def _key(self, change: KeyChange, width: int) -> str:
        path = safe.line(change.path).ljust(width)
        if change.change == "reordered":
            return "only the order of keys differs"
        if change.change == "changed":
            half = max((self._out.width - width - 10) // 2, 16)
            old, new = (clip(safe.json(value), half) for value in (change.old, change.new))
            return f"{path}  {old} → {new}{by_how_much(change)}".lstrip()
        return f"{path}  {safe.json(change.new if change.change == 'added' else change.old)}".lstrip()

    def _tools(self, found: ToolsDiff) -> Iterator[str]:
        for sign, names in (("-", found.removed), ("+", found.added)):
            for name in names:
                yield self._signed(sign, f"{_INDENT}{sign} {safe.line(name)}")
        for change in found.changed:
            yield self._signed("~", f"{_INDENT}~ {safe.line(change.name)}")
            yield from self._keys(change.keys, _INDENT * 3)
        if found.reordered:
            yield self._signed("~", f"{_INDENT}~ the order of the tools differs")

    def _elements(self, found: ElementsDiff, unit: str) -> Iterator[str]:
        width = len(str(max(found.old_count, found.new_count)))
        for change in found.changes:
            yield from self._element(change, width)
        if found.reordered:
            yield self._signed("~", f"{_INDENT}~ the order of the {unit}s differs")

    def _element(self, change: ElementChange, width: int) -> Iterator[str]:
        sign = _SIGNS[change.change]
        at = change.new_index if change.new_index is not None else change.old_index
        moved = f" (was {change.old_index})" if change.change == "changed" and change.old_index != change.new_index else ""
        head = f"{_INDENT}{sign} {str(at).rjust(width)}{moved}  {safe.line(change.label).ljust(_LABEL_WIDTH)}"
        if change.change != "changed":
            yield self._signed(sign, clip(f"{head}  {safe.line(change.preview)}".rstrip(), self._room("")))
            return
        yield self._signed(sign, head.rstrip())
        if change.text is not None:
            yield from self._text(change.text, _INDENT * 3)
        if change.calls is not None:
            yield from self._calls(change.calls, _INDENT * 3)
        yield from self._keys(change.keys, _INDENT * 3)

    def _calls(self, found: CallsDiff, indent: str) -> Iterator[str]:
        for sign, calls in (("-", found.removed), ("+", found.added)):
            for call in calls:
                yield self._signed(sign, clip(f"{indent}{sign} calls {safe.line(call)}", self._room(indent)))
        for change in found.changed:
            yield self._signed("~", f"{indent}~ calls {safe.line(change.name)}")
            yield from self._keys(change.keys, indent + _INDENT * 2)
        if found.reordered:
            yield self._signed("~", f"{indent}~ the order of the calls differs")

    def _signed(self, sign: str, line: str) -> str:
        style = _STYLES.get(sign)
        return line if style is None else self._out.paint(line, style)

    def _room(self, indent: str) -> int:
        return max(self._out.width, len(indent) + 40)


def header(hunk: Hunk) -> str:
    """Return the line above a hunk, in the unified form."""
    return next(unified(TextDiff((hunk,), 0, 0)))


def piece_text(piece: words.Piece) -> str:
    """Return a piece of a line as plain text: `[-old-]{+new+}`, `…` where words were left out."""
    text = safe.text(piece.text)
    return {words.GONE: f"[-{text}-]", words.CAME: f"{{+{text}+}}", words.CUT: "…"}.get(piece.sign, text)


def by_how_much(change: KeyChange) -> str:
    """Return the difference of two numbers, where it is not plain to see."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (change.old, change.new)):
        return ""
    return f"  ({change.new - change.old:+.6g})" if change.old else ""
