"""A session as people read it: its executions in the order in which they began, under the scopes that enclose them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runstore.cli import safe, times
from runstore.cli.logtext import LogText
from runstore.cli.output import Output, clip, count
from runstore.cli.preview import tokens
from runstore.query.log import Entry
from runstore.query.summary import Summaries, Tokens

_BRANCH, _LAST, _DOWN, _EMPTY = "├─ ", "└─ ", "│  ", "   "
_LEAST = 40


class _Scope:
    """A scope: what lies in it, in the order in which it was first met."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: list[_Scope | Entry] = []
        self.executions = 0
        self._inner: dict[str, _Scope] = {}

    def inner(self, name: str) -> _Scope:
        found = self._inner.get(name)
        if found is None:
            found = self._inner[name] = _Scope(name)
            self.items.append(found)
        return found


def tree(out: Output, text: LogText, summaries: Summaries, session: str, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the lines of a session. `entries` are newest first, as a log gives them."""
    recorded = list(entries)[::-1]
    told = sorted(recorded, key=lambda entry: (entry.execution.started is None, entry.execution.started or 0))
    whole = _Scope(session)
    for entry in told:
        at = whole
        at.executions += 1
        for name in _path(entry):
            at = at.inner(name)
            at.executions += 1
        at.items.append(entry)
    text.widen(told)
    yield _head(out, summaries, session, told)
    yield from _lines(out, text, whole)


def _path(entry: Entry) -> list[str]:
    scope = (entry.execution.notes or {}).get("scope")
    return [name for name in scope.split("/") if name] if isinstance(scope, str) else []


def _head(out: Output, summaries: Summaries, session: str, entries: list[Entry]) -> str:
    facts = [count(len(entries), "execution")]
    known = [summaries.of(entry.execution).tokens for entry in entries]
    known = [one for one in known if one.input is not None or one.output is not None]
    if known:
        facts.append(tokens(Tokens(sum(one.input or 0 for one in known), sum(one.output or 0 for one in known))) + " tokens")
    begun = [entry.execution.started for entry in entries if entry.execution.started is not None]
    ended = [entry.execution.ended for entry in entries if entry.execution.ended is not None]
    if begun and ended:
        facts.append(times.span(max(ended) - min(begun)))
    return f"{out.paint('session', 'bold')} {clip(safe.line(session), out.width // 2)}  {', '.join(facts)}"


def _lines(out: Output, text: LogText, whole: _Scope) -> Iterator[str]:
    """Yield a line an item, those of a scope below it. No recursion: a scope is as deep as its recorder made it."""
    waiting: list[tuple[Iterator[tuple[int, _Scope | Entry]], int, str]] = [(enumerate(whole.items, 1), len(whole.items), "")]
    while waiting:
        items, number, before = waiting[-1]
        at, item = next(items, (0, None))
        if item is None:
            waiting.pop()
            continue
        last = at == number
        edge = out.paint(before + (_LAST if last else _BRANCH), "dim")
        if isinstance(item, _Scope):
            yield f"{edge}{out.paint(safe.line(item.name), 'bold')}  {out.paint(count(item.executions, 'execution'), 'dim')}"
            inside = before + (_EMPTY if last else _DOWN) if len(before) < out.width // 2 else before
            waiting.append((enumerate(item.items, 1), len(item.items), inside))
        else:
            yield edge + text.row(item, max(out.width - len(before) - len(_LAST), _LEAST))
