"""The calls of a bundle as text for `git diff`: complete, stable, one thing a line, what was said before only named.

A ref stands at the beginning of a line and all else is indented, so that git takes it for the heading of a hunk. No id of an object is
printed where its content is: an id would differ with everything that comes before. Ids that a provider makes up are numbered, and its times
left out: they are new each time, and say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from runstore.cli import contents, safe, times
from runstore.errors import NotFound
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.jsontext import render_json
from runstore.model.lists import elements
from runstore.model.trees import ABSENT, Slot, SlotState, decode_tree
from runstore.query.paths import Fetch
from runstore.query.summary import Summaries
from runstore.reproduce.recordings.names import shown
from runstore.reproduce.recordings.same import ids_made, replaced, without_times
from runstore.runs.view import ListView, read_content

_STEP = "  "
_TIMES = ("started", "ended")
_VALUES = ("actor", "message")
# A text that a reader would take for something else stands in quotes.
_QUOTED = re.compile(r'\Z|-?\d|(?:true|false|null)\Z|["\[]|\s|.*\s\Z')


def lines(refs: Mapping[str, Link], fetch: Fetch) -> Iterator[str]:
    """Yield the lines about all calls that the refs lead to, the oldest first; those that an earlier ref told of are told once."""
    told: dict[bytes, str] = {}
    for name, target in refs.items():
        yield safe.line(shown(name) if name.startswith("heads/") else name)
        numbered = 0
        for link, execution in _oldest_first(target, fetch):
            if execution is None:
                yield f"{_STEP}{link.kind.label} {link.hex}"
            elif link.id in told:
                yield f"{_STEP}as in {told[link.id]}"
            else:
                numbered += 1
                if numbered == 1:
                    calls = _Calls(fetch)
                told[link.id] = f"{safe.line(shown(name))} call {numbered}"
                yield from (_STEP + line for line in calls.call(numbered, execution))


class _Calls:
    """The calls of one ref. What a slot, or a message, said in an earlier call is named and not said again."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._said: dict[tuple[str, bytes], str] = {}
        self._summaries = Summaries(fetch)
        self._ids: dict[str, str] = {}

    def call(self, number: int, execution: Execution) -> Iterator[str]:
        """Yield the lines of a call."""
        if execution.run is None:
            yield f"{number}. merge of {', '.join(parent.hex for parent in execution.parents)}"
            return
        try:
            slots = decode_tree(self._fetch(execution.run.id).body)
        except NotFound as error:
            yield f"{number}. {safe.line(str(error))}"
            return
        for link in (execution.response, execution.output):
            for made in () if link is None else self._made(link):
                self._ids.setdefault(made, f"(id {len(self._ids) + 1})")
        yield f"{number}. {safe.line(self._summaries.model(slots)[0])}"
        for name, slot in contents.in_order(slots):
            if slot is not ABSENT:
                yield from self._slot(name, slot, f"call {number}")
        if execution.output is not None:
            yield from self._slot("answer", execution.output, f"call {number}")
        yield from self._rest(execution, f"call {number}")

    def _slot(self, name: str, slot: Slot, where: str) -> Iterator[str]:
        if isinstance(slot, SlotState):
            yield f"{_STEP}{name}: {slot.value}"
            return
        before = self._said.get((name, slot.id))
        if before is not None:
            yield f"{_STEP}{name}: as in {before}"
            return
        self._said[name, slot.id] = where
        yield f"{_STEP}{name}"
        try:
            found = self._elements(name, slot, where) if slot.kind == Kind.LIST else _value(self._said_of(name, self._read(slot)))
            yield from (_STEP * 2 + line for line in found)
        except NotFound as error:
            yield f"{_STEP * 2}{safe.line(str(error))}"

    def _elements(self, name: str, root: Link, where: str) -> Iterator[str]:
        answers = "answer" if name in ("answer", "history") else name  # an answer is a message of the next call's history
        for number, link in enumerate(elements(root, self._fetch), 1):
            before = self._said.get((answers, link.id))
            if before is not None:
                yield f"{number}. as in {before}"
                continue
            self._said[answers, link.id] = f"{where}, {name} {number}"
            yield f"{number}."
            yield from (_STEP + line for line in _value(self._read(link)))

    def _rest(self, execution: Execution, where: str) -> Iterator[str]:
        if execution.status not in (None, "ok"):
            yield f"{_STEP}status: {execution.status}"
        for name in ("usage", "notes", "extra"):
            if getattr(execution, name):
                yield f"{_STEP}{name}"
                yield from (_STEP * 2 + line for line in _value(getattr(execution, name)))
        for name in ("response", "wire"):
            link = getattr(execution, name)
            if link is not None:
                yield from self._slot(name, link, where)
        yield from (f"{_STEP}{name}: {times.utc(at)}" for name in _TIMES if (at := getattr(execution, name)) is not None)
        yield from (f"{_STEP}{name}: {safe.line(text)}" for name in _VALUES if (text := getattr(execution, name)) is not None)
        if execution.cause is not None:
            yield f"{_STEP}cause: {execution.cause.hex}"

    @staticmethod
    def _said_of(name: str, value: Any) -> Any:
        return without_times(value) if name == "response" else value

    def _made(self, link: Link) -> Iterator[str]:
        with suppress(NotFound):
            found = read_content(link, self._fetch)
            yield from ids_made(list(found) if isinstance(found, ListView) else found)

    def _read(self, link: Link) -> Any:
        found = read_content(link, self._fetch)
        return link if isinstance(found, bytes) else replaced(found, self._ids)


def _oldest_first(target: Link, fetch: Fetch) -> Iterable[tuple[Link, Execution | None]]:
    """Return the executions that a target leads to, parents first, without recursion. What is no execution, or not here, has None."""
    found: list[tuple[Link, Execution | None]] = []
    seen: set[bytes] = set()
    stack: list[tuple[Link, Execution | None, bool]] = [(target, None, False)]
    while stack:
        link, execution, done = stack.pop()
        if done:
            found.append((link, execution))
        elif link.id not in seen:
            seen.add(link.id)
            if link.kind == Kind.EXECUTION:
                try:
                    execution = decode_execution(fetch(link.id).body)
                except NotFound:
                    execution = None
            stack.append((link, execution, True))
            if execution is not None:
                stack.extend((parent, None, False) for parent in reversed(execution.parents))
    return found


def _value(value: Any) -> Iterator[str]:
    """Yield a value as lines: a key, a number or a line of a text each."""
    if isinstance(value, str):
        yield from (safe.text(line) for line in value.split("\n"))
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _item(f"{safe.line(key)}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item("-", item)
    else:
        yield _scalar(value)


def _item(head: str, item: Any) -> Iterator[str]:
    """Yield what stands behind a key or a dash: on its line, if it takes one."""
    if isinstance(item, str) and "\n" not in item:
        yield f"{head} {_scalar(item) if _QUOTED.match(item) else safe.text(item)}"
    elif isinstance(item, str | dict | list) and item:
        yield head
        yield from (_STEP + line for line in _value(item))
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, Link):
        return f"[{value.kind.label} {value.hex}]"
    return safe.text(render_json(value))
