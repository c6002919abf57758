"""A run or an execution as people read it: who and when, slot by slot, its executions, the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from runstore.cli import contents, preview, safe, times, verdicts
from runstore.cli.ids import Shortener
from runstore.cli.output import Output, clip, clip_start, columns, count
from runstore.cli.showing import Occurrence, Shown, gather
from runstore.errors import NotFound
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.trees import Slot, SlotState
from runstore.query.revisions import Found
from runstore.query.summary import Summaries
from runstore.query.summary import tokens as counted
from runstore.refs import short_name
from runstore.runs.absence import ERASED, PROMISED, fetcher
from runstore.runs.completeness import COMPLETE, REPEATABLE, redactions

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

_LABEL = 12
_SIZE = 13
_MOST_LISTED = 10
_ID = 12


def show(out: Output, reader: Reader, link: Link, found: Found) -> Iterator[str]:
    """Yield the lines about a run, an execution, a merge or a tag."""
    text = _ShowText(out, reader)
    if link.kind == Kind.TAG:
        return text.tag(link)
    if link.kind == Kind.EXECUTION:
        execution = decode_execution(reader.get(link.id).body)
        if execution.run is None:
            return text.merge(link, execution, found.ref)
    return text.run(gather(reader, link), found.ref)


class _ShowText:
    def __init__(self, out: Output, reader: Reader) -> None:
        self._out = out
        self._fetch = fetcher(reader)
        self._short = Shortener(reader)
        self._summaries = Summaries(reader.get)

    def tag(self, link: Link) -> Iterator[str]:
        told = contents.tag_of(link, self._fetch)
        yield self._field("tag", f"{self._id(link)}  {safe.line(told['name'])}")
        yield self._field("target", told["target"])
        by = f", by {safe.line(told['actor'])}" if told["actor"] else ""
        if told["time"] is not None:
            yield self._field("when", times.local(told["time"]) + by)
        if told["message"]:
            yield self._field("message", safe.line(told["message"]))

    def merge(self, link: Link, execution: Execution, ref: str | None) -> Iterator[str]:
        yield self._field("merge", self._id(link) + self._ref(ref))
        for parent in execution.parents:
            yield self._field("parent", self._id(parent))

    def run(self, shown: Shown, ref: str | None) -> Iterator[str]:
        if shown.named is not None:
            yield from self._execution(shown.named, shown, ref)
        else:
            yield self._field("run", self._id(shown.run) + f"  request {self._short(shown.request)}")
        yield ""
        for name, slot in contents.in_order(shown.slots):
            yield from self._slot(name, slot)
        if shown.named is not None:
            yield from self._output(shown.named.execution.output)
        yield ""
        yield from self._executions(shown)
        for name in (COMPLETE, REPEATABLE):
            yield from self._verdict(shown, name)

    def _execution(self, one: Occurrence, shown: Shown, ref: str | None) -> Iterator[str]:
        execution = one.execution
        yield self._field("execution", self._id(one.link) + self._ref(ref))
        yield self._field("run", f"{self._id(shown.run)}  request {self._short(shown.request)}")
        for parent in execution.parents:
            yield self._field("parent", self._id(parent))
        when = ", ".join(_when(execution))
        if when:
            yield self._field("when", when)
        status = execution.status or "ok"
        usage = preview.tokens(counted(execution.usage))
        style = () if status == "ok" else ("red",)
        yield self._field("status", self._out.paint(status, *style) + (f", {usage} tokens" if usage else ""))
        for name, told in (("message", execution.message), ("cause", None if execution.cause is None else self._short(execution.cause))):
            if told:
                yield self._field(name, clip(safe.line(told), self._out.width - _LABEL))
        masked = redactions(execution.notes)
        if execution.notes:
            notes = [
                safe.line(f"{key}={preview.plain(value)}") for key, value in execution.notes.items() if not (masked and key == "redacted")
            ]
            if notes:
                yield from self._fields("notes", preview.wrap(notes, self._out.width - _LABEL, 2))
        if masked:
            more = [f"and {len(masked) - _MOST_LISTED} more"] if len(masked) > _MOST_LISTED else []
            yield from self._fields("redacted", [safe.line(f"{rule} at {at}") for at, rule in masked[:_MOST_LISTED]] + more)

    def _slot(self, name: str, slot: Slot) -> Iterator[str]:
        if isinstance(slot, SlotState):
            yield from self._labelled(name, self._out.paint(slot.value, "dim"))
            return
        yield from self._content(name, slot)

    def _output(self, output: Link | None) -> Iterator[str]:
        if output is None:
            yield self._out.paint("output".ljust(_LABEL), "bold") + self._out.paint("none recorded", "dim")
        else:
            yield from self._content("output", output)

    def _content(self, name: str, link: Link) -> Iterator[str]:
        try:
            size = preview.measure(name, link, self._fetch)
            texts = preview.lines(name, link, self._fetch, self._out.width - _LABEL - _SIZE) or [""]
        except NotFound as error:
            size, texts = (error.kind if error.kind in (PROMISED, ERASED) else "lost"), [clip(str(error), self._out.width - _LABEL - _SIZE)]
        yield from self._labelled(name, f"{size.ljust(_SIZE)}{texts[0]}".rstrip())
        for text in texts[1:]:
            more = self._out.paint(text, "dim") if text.startswith("… ") else text
            yield " " * (_LABEL + _SIZE) + more

    def _executions(self, shown: Shown) -> Iterator[str]:
        total = len(shown.executions) + sum(len(other.executions) for other in shown.others)
        if shown.named is None or total > 1:
            yield self._field("executions", f"{len(shown.executions)} of this run" + self._agreement(shown))
            yield from self._table(shown.executions, shown.named)
            for other in shown.others:
                answered = f", {safe.line(other.served)} answered" if other.served else ""
                yield self._field("", f"{len(other.executions)} of {self._short(other.run)}, the same request{answered}")
                yield from self._table(other.executions, None)
            yield ""

    @staticmethod
    def _agreement(shown: Shown) -> str:
        if shown.agree is None:
            return ""
        where = " and of the same request" if shown.others else ""
        return f"{where}; all outputs agree" if shown.agree else f"{where}; outputs differ"

    def _table(self, executions: Sequence[Occurrence], named: Occurrence | None) -> Iterator[str]:
        rows = [self._row(one, named is not None and one.link == named.link) for one in executions[-_MOST_LISTED:]]
        for line in columns(rows) if rows else []:
            yield clip(" " * _LABEL + line, self._out.width)
        if len(executions) > _MOST_LISTED:
            yield " " * _LABEL + self._out.paint(f"… {count(len(executions) - _MOST_LISTED, 'earlier one')}", "dim")

    def _row(self, one: Occurrence, named: bool) -> tuple[str, str, str, str]:
        execution = one.execution
        started = "" if execution.started is None else times.local(execution.started)
        output = safe.line(self._summaries.said(execution)) or "(no output)"
        status = "" if execution.status in (None, "ok") else f"[{execution.status}] "
        return self._short(one.link), "*" if named else "", started, status + output

    def _verdict(self, shown: Shown, name: str) -> Iterator[str]:
        yield from self._fields(name, preview.wrap_words(verdicts.line(shown.verdict, name), self._out.width - _LABEL))

    def _labelled(self, name: str, text: str) -> Iterator[str]:
        """Yield a line that begins with the name of a slot; a long name, which must be read to be asked for, has a line of its own."""
        if len(name) < _LABEL:
            yield self._field(name, text)
        else:
            yield self._out.paint(safe.line(name), "bold")
            yield " " * _LABEL + text

    def _field(self, name: str, text: str) -> str:
        return self._out.paint(name.ljust(_LABEL), "bold") + text

    def _fields(self, name: str, texts: list[str]) -> Iterator[str]:
        yield self._field(name, texts[0])
        yield from (" " * _LABEL + text for text in texts[1:])

    def _id(self, link: Link) -> str:
        return self._out.paint(self._short(link), "yellow")

    def _ref(self, ref: str | None) -> str:
        return "" if ref is None else "  " + self._out.paint(clip_start(short_name(ref), self._out.width - _LABEL - _ID), "green")


def _when(execution: Execution) -> Iterator[str]:
    if execution.started is not None:
        yield times.local(execution.started)
        if execution.ended is not None:
            yield f"took {times.span(execution.ended - execution.started)}"
    if execution.actor:
        yield f"by {safe.line(execution.actor)}"
