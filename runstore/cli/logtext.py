"""The log as people read it: a line or a short block an execution, with or without the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from runstore.cli import safe, times
from runstore.cli.graph import Graph, Rows
from runstore.cli.ids import Shortener
from runstore.cli.output import Output, clip, clip_start, display_width, pad
from runstore.cli.preview import tokens
from runstore.model.executions import Execution
from runstore.query.log import Entry
from runstore.query.summary import Summaries, Summary
from runstore.store.protocol import Reader

# Of a line, a ref and a model take at most a fifth each: the rest is for what was said.
_SHARE = 5
# Lines are laid out together in groups of this many, so that the first are shown before the last are read.
_GROUP = 50
_LEAST_SAID = 12
# What stands before the refs in the first line of a block: an id, and with it a time.
_ID, _HEAD = 10, 31
_ARROW = " → "
_Item = TypeVar("_Item")


class _Cells(NamedTuple):
    """The columns of one line, as plain text."""

    id: str
    time: str
    refs: str
    model: str
    tokens: str
    question: str
    answer: str


class LogText:
    """Turns entries into lines. Columns grow to the widest cell met so far, and a column in which nothing was met is left out."""

    def __init__(self, out: Output, reader: Reader, summaries: Summaries, *, oneline: bool) -> None:
        self._out = out
        self._short = Shortener(reader)
        self._summaries = summaries
        self._oneline = oneline
        self._widths = [0] * (_Cells._fields.index("question"))

    def lines(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield the lines of entries."""
        first = True
        for group in _groups(entries):
            cells = [self._cells(entry) if self._oneline else None for entry in group]
            self._widen(cells)
            for entry, cell in zip(group, cells, strict=True):
                if not (self._oneline or first):
                    yield ""
                first = False
                yield from self._texts(entry, cell, self._out.width)

    def graph(self, entries: Iterable[tuple[Entry, bool]], hidden: set[bytes], limit: int | None) -> Iterator[str]:
        """Yield the lines of entries with the graph to the left. Those marked false are drawn through, and not shown."""
        drawing = Graph()
        left = limit
        for group in _groups(_named_once(entries)):
            cells = [self._cells(entry) if wanted and self._oneline else None for entry, wanted in group]
            self._widen(cells)
            for (entry, wanted), cell in zip(group, cells, strict=True):
                if left == 0:
                    return
                rows = drawing.add(entry.link.id, [parent.id for parent in entry.execution.parents if parent.id not in hidden])
                if wanted:
                    left = None if left is None else left - 1
                    yield from self._beside(rows, entry, cell)
                else:
                    yield from (self._out.paint(edge, "dim") for edge in rows.edges)

    def widen(self, entries: Iterable[Entry]) -> None:
        """Let the columns of lines be wide enough for these entries."""
        self._widen(map(self._cells, entries))

    def row(self, entry: Entry, room: int) -> str:
        """Return one line for an entry, in `room` columns."""
        return self._line(self._cells(entry), entry.execution, room)

    def _beside(self, rows: Rows, entry: Entry, cells: _Cells | None) -> Iterator[str]:
        width = max(map(len, (rows.node, rows.after, *rows.edges)))
        texts = self._texts(entry, cells, max(self._out.width - width - 1, 20))
        if not self._oneline:
            texts.append("")
        left = [rows.node, *rows.edges, *[rows.after] * max(len(texts) - 1 - len(rows.edges), 0)]
        for at, graph in enumerate(left):
            text = texts[at] if at < len(texts) else ""
            yield f"{self._out.paint(graph.ljust(width), 'dim')} {text}".rstrip()

    def _texts(self, entry: Entry, cells: _Cells | None, room: int) -> list[str]:
        return list(self._block(entry, room)) if cells is None else [self._line(cells, entry.execution, room)]

    def _widen(self, cells: Iterable[_Cells | None]) -> None:
        for line in filter(None, cells):
            self._widths = [max(width, display_width(cell)) for width, cell in zip(self._widths, line, strict=False)]

    def _line(self, cells: _Cells, execution: Execution, room: int) -> str:
        styles = (("yellow",), ("dim",), ("green",), (), ("dim",))
        right = _Cells._fields.index("tokens")
        parts: list[str] = []
        used = 0
        for at, width in enumerate(self._widths):
            if width and used + width + 2 + _LEAST_SAID <= room:
                parts.append(self._out.paint(pad(cells[at], width, right=at == right), *styles[at]))
                used += width + 2
        mark = _mark(execution)
        said = mark + _fitted(cells.question, cells.answer, max(room - used - len(mark), _LEAST_SAID))
        return "  ".join([*parts, self._out.paint(said, "red") if mark else said]).rstrip()

    def _cells(self, entry: Entry) -> _Cells:
        execution, summary = entry.execution, self._summaries.of(entry.execution)
        most = self._out.width // _SHARE
        started = "" if execution.started is None else times.local(execution.started)[:16]
        return _Cells(
            self._short(entry.link),
            started,
            safe.line(clip_start(", ".join(entry.refs), most)),
            clip(safe.line(summary.served or summary.model), most),
            tokens(summary.tokens),
            safe.line(summary.question),
            _answer(execution, summary),
        )

    def _block(self, entry: Entry, room: int) -> Iterator[str]:
        execution, summary = entry.execution, self._summaries.of(entry.execution)
        paint = self._out.paint
        head = [paint(self._short(entry.link), "yellow")]
        if execution.started is not None:
            head.append(times.local(execution.started))
        names = clip_start(safe.line(", ".join(entry.refs)), max(room - (_HEAD if len(head) > 1 else _ID), _LEAST_SAID))
        yield "  ".join([*head, *([paint(names, "green")] if names else [])])
        facts = [*_facts(execution, summary)]
        if facts:
            yield clip("    " + ", ".join(facts), room)
        yield "    " + _fitted(safe.line(summary.question), _answer(execution, summary), room - 4)


def _groups(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    waiting = iter(items)
    while group := list(islice(waiting, _GROUP)):
        yield group


def _named_once(entries: Iterable[tuple[Entry, bool]]) -> Iterator[tuple[Entry, bool]]:
    """Yield the entries, each ref at the first that is shown alone: the graph shows what lies below it."""
    told: set[str] = set()
    for entry, wanted in entries:
        named = entry._replace(refs=tuple(ref for ref in entry.refs if ref not in told))
        if wanted:
            told.update(entry.refs)
        yield named, wanted


def _answer(execution: Execution, summary: Summary) -> str:
    """Return the start of an answer on one safe line; of a merge, what it joins."""
    if execution.run is None:
        return f"merge of {len(execution.parents)} logs"
    return safe.line(summary.answer) or "(no output)"


def _fitted(question: str, answer: str, room: int) -> str:
    """Return the end of the question → the start of the answer in `room` columns, half of it for each where both are long."""
    if not question:
        return clip(answer, room)
    room -= len(_ARROW)
    asked = clip_start(question, max(room // 2, room - display_width(answer)))
    return asked + _ARROW + clip(answer, room - display_width(asked))


def _facts(execution: Execution, summary: Summary) -> Iterator[str]:
    if summary.model or summary.served:
        name = safe.line(summary.model or "unknown model")
        yield f"{name} (served {safe.line(summary.served)})" if summary.served else name
    if counted := tokens(summary.tokens):
        yield f"{counted} tokens"
    if execution.started is not None and execution.ended is not None:
        yield times.span(execution.ended - execution.started)
    if execution.status not in ("ok", "merge", None):
        yield execution.status


def _mark(execution: Execution) -> str:
    return "" if execution.status in ("ok", "merge", None) else f"[{execution.status}] "
