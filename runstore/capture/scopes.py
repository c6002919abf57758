"""Scopes: what a program says its calls belong to. They follow the flow of control: threads, tasks and generators each have their own.

A scope lies in another: it has its session, and its path continues that of the other. Standard library alone.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload

from runstore.capture.declared import Declared, declare
from runstore.errors import InvalidInput

_F = TypeVar("_F", bound=Callable[..., Any])
_current: ContextVar[Scope | None] = ContextVar("runstore_scope", default=None)


class Scope:
    """What encloses calls: a ref, a session, a path of names, notes, and documents that were declared. See `record`."""

    def __init__(self, ref: str | None, session: str | None, scope: str | None, notes: Mapping[str, Any] | None) -> None:
        self._given = (ref, session, scope, dict(notes or {}))
        self._outer: Scope | None = None
        self._tokens: list[Token[Scope | None]] = []
        self._documents: list[Declared] = []
        self.ref: str | None = ref
        self.session: str | None = session
        self.own_session = os.urandom(8).hex()
        """The session where neither this scope nor what is around it names one."""
        self.path: str | None = scope
        self.over = False
        """Set by whoever may be told of the end in another flow of control than of the beginning, and so cannot leave it there."""
        self.notes: dict[str, Any] = dict(notes or {})
        self.recorded: list[Any] = []
        """What was recorded within, in the mode `commit`: run, request, execution and ref of each."""
        self._check()

    def _check(self) -> None:
        try:
            json.dumps(self.notes, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"notes: {error}", hint="notes are texts, numbers, lists and maps", kind="bad-notes") from error

    def __enter__(self) -> Self:
        outer = self._outer = current()
        ref, session, scope, notes = self._given
        if outer is not None:
            self.ref = ref or outer.ref
            self.session, self.own_session = session or outer.session, outer.own_session
            self.path = "/".join(one for one in (outer.path, scope) if one) or None
            self.notes = {**outer.notes, **notes}
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        token = self._tokens.pop()
        try:
            _current.reset(token)
        except ValueError:
            _current.set(self._outer)  # entered in another context, as by a generator that another task finished

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def documents(self, *documents: Any) -> None:
        """Declare documents that the calls from here on are given: strings, mappings, or objects of LangChain, LlamaIndex or Haystack.

        A list counts as its items. Each call's notes say of every one whether its text stands in what was sent. Raises InvalidInput.
        """
        for one in documents:
            if isinstance(one, list | tuple):
                self.documents(*one)
            else:
                self._documents.append(declare(one))

    def label(self) -> dict[str, Any]:
        """Return what the scope and those around it say, as a journal keeps it."""
        at: Scope | None = self
        declared: list[Declared] = []
        while at is not None:
            declared = at._documents + declared
            at = at._outer
        said = {
            "ref": self.ref,
            "session": self.session,
            "scope": self.path,
            "notes": self.notes,
            "documents": [list(one) for one in declared],
        }
        return {name: item for name, item in said.items() if item}


def current() -> Scope | None:
    """Return the innermost scope of this flow of control."""
    scope = _current.get()
    while scope is not None and scope.over:
        scope = scope._outer
    return scope


def note(key: str, value: Mapping[str, Any]) -> None:
    """Add to the map `key` of the notes of the innermost scope, for calls from here on; nothing where there is no scope."""
    scope = current()
    if scope is not None:
        scope.notes = {**scope.notes, key: {**scope.notes.get(key, {}), **value}}


def record(
    ref: str | None = None, *, session: str | None = None, scope: str | None = None, notes: Mapping[str, Any] | None = None
) -> Scope:
    """Name what the calls within belong to: `with runstore.record("support/reply", notes={"ticket": 7}) as rec:`. For `async with` too.

    `ref` is the ref that they are recorded on. `session` is a name of the whole, `scope` of a part of it: a tool, a sub-agent;
    `runstore log --session ID` shows them as a tree. What is not given comes from the scope around it; a session is made where none is.
    Recording itself is put on by `runstore.instrument()` or `runstore exec`. Raises InvalidInput for notes that are no JSON.
    """
    return Scope(ref, session, scope, notes)


class _Decorator(Protocol):
    def __call__(self, function: _F, /) -> _F: ...


@overload
def recorded(ref: _F) -> _F: ...
@overload
def recorded(ref: str | None = None, *, scope: str | None = None, notes: Mapping[str, Any] | None = None) -> _Decorator: ...
def recorded(ref: str | Callable[..., Any] | None = None, *, scope: str | None = None, notes: Mapping[str, Any] | None = None) -> Any:
    """Let all calls within a function belong together, as `record` does: `@recorded` or `@recorded("support/reply")`.

    The scope is the function's name unless given. For functions, coroutines and generators of both kinds.
    """
    if callable(ref):
        return _wrapped(ref, None, scope, notes)
    return lambda function: _wrapped(function, ref, scope, notes)


def _wrapped(function: _F, ref: str | None, scope: str | None, notes: Mapping[str, Any] | None) -> _F:
    import inspect  # costs milliseconds, and most programs have no decorated function

    name = scope or function.__name__

    def enter() -> Scope:
        return Scope(ref, None, name, notes)

    found: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def found(*args: Any, **options: Any) -> Any:
            with enter():
                return await function(*args, **options)

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def found(*args: Any, **options: Any) -> Any:
            items = function(*args, **options)
            made = enter()
            while True:
                with made:
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                yield item

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def found(*args: Any, **options: Any) -> Any:
            items = function(*args, **options)
            made = enter()
            while True:
                with made:
                    try:
                        item = next(items)
                    except StopIteration as done:
                        return done.value
                yield item

    else:

        @functools.wraps(function)
        def found(*args: Any, **options: Any) -> Any:
            with enter():
                return function(*args, **options)

    return found  # type: ignore[no-any-return]
