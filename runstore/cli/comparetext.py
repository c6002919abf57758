"""Several runs side by side as people read them: a letter for each content, so that equal letters in a row hold the same."""

from __future__ import annotations

from collections.abc import Iterator

from runstore.cli import safe
from runstore.cli.ids import Shortener
from runstore.cli.output import Output, clip, columns
from runstore.query.compare import Changed, Comparison, Part, Row

_STATES = {"absent": "absent", "unknown": "unknown", "unstated": "-"}
_WIDEST = 24
_NAME = 32


class CompareText:
    """Turns a comparison into lines for one output."""

    def __init__(self, out: Output, short: Shortener) -> None:
        self._out = out
        self._short = short

    def lines(self, found: Comparison, names: tuple[str, ...], *, everything: bool) -> Iterator[str]:
        """Yield a line a component that differs (or every one), below it a line a part; nothing if all are the same."""
        rows = [row for row in found.rows if everything or row.differs]
        if not rows:
            return
        labels = [*(row.slot for row in rows), *("  " + part.name for row in rows for part in row.parts)]
        width = min(max(map(len, labels)), _NAME)
        room = max((self._out.width - width) // len(found.sides) - 2, 8)
        cells = [["", *(clip(safe.line(name), room) for name in names)], ["", *(self._short(side.link) for side in found.sides)]]
        for row in rows:
            cells.append([row.slot, *self._row(row)])
            cells.extend([clip("  " + safe.line(part.name), _NAME), *self._part(part, room)] for part in row.parts if part.name)
        yield from columns(cells)

    def log(self, changes: Iterator[Changed]) -> Iterator[str]:
        """Yield a line an execution: its id, its time, and what changed at it, in further lines where one has no room for all."""
        from textwrap import wrap

        from runstore.cli import times

        for one in changes:
            when = times.local(one.execution.started) if one.execution.started is not None else " " * 16
            name = self._short(one.link)
            indent = len(name) + len(when[:16]) + 4
            first, *more = wrap(safe.line(", ".join(one.slots)), max(self._out.width - indent, _WIDEST), break_long_words=False)
            yield f"{self._out.paint(name, 'yellow')}  {when[:16]}  {first}"
            yield from (" " * indent + line for line in more)

    def _row(self, row: Row) -> Iterator[str]:
        if row.links.count(None) == len(row.links) and row.parts:  # a status is told by its value
            yield from (safe.line(str(value)) for value in row.parts[0].values)
            return
        letters = _Letters()
        for state, group in zip(row.states, row.groups, strict=True):
            yield _STATES.get(state) or letters.of(group)

    def _part(self, part: Part, room: int) -> Iterator[str]:
        letters = _Letters()
        for value, group in zip(part.values, part.groups, strict=True):
            if group is None:
                yield "-"
            elif isinstance(value, dict | list):
                yield letters.of(group)
            else:
                yield clip(safe.json(value), min(room, _WIDEST))


class _Letters:
    """Letters for the contents of a row, in the order in which they come: what is told by a word or a value takes none."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def of(self, group: int) -> str:
        number = self._numbers.setdefault(group, len(self._numbers))
        return chr(ord("A") + number) if number < 26 else f"#{number + 1}"
