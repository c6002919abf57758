"""Tools: functions of the program whose calls are recorded, and answered from the record in replay.

Standard library alone. Source: docs/design/0011-tool-calls.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, TypeVar, overload

from runstore.capture.tap.active import active
from runstore.capture.toolcalls import Convert, Named, ToolTurn
from runstore.errors import InvalidInput

_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def tool(function: _F, /) -> _F: ...
@overload
def tool(
    name: str | None = None, *, ignore: Collection[str] = (), dump: Convert | None = None, load: Convert | None = None
) -> Callable[[_F], _F]: ...
def tool(
    name: str | Callable[..., Any] | None = None,
    *,
    ignore: Collection[str] = (),
    dump: Convert | None = None,
    load: Convert | None = None,
) -> Any:
    """Record the calls of a function, plain or `async`, and answer them from the record in replay: `@runstore.tool`.

    `name` is the tool's; by default the function's, a method's with that of its class: `Library.search`. Arguments and result are JSON, the
    arguments by the signature; the `self` or `cls` of a method is left out, and so are those named in `ignore`, which then do not count.
    `dump` makes JSON of a result, `load` the result of JSON. What the function raises is recorded, and raised again. Where nothing is
    recorded or replayed the function is called, and nothing else happens. Calls of models within it belong to a scope of the tool's name.
    Raises InvalidInput for what is no function that returns: a generator, a `classmethod`.
    """
    if name is None or isinstance(name, str):
        return lambda function: _wrapped(function, name, ignore, dump, load)
    return _wrapped(name, None, (), None, None)


def _wrapped(function: Any, name: str | None, ignore: Collection[str], dump: Convert | None, load: Convert | None) -> Any:
    arguments = Arguments(function, ignore)
    named = Named(name or arguments.called, None, {"function": f"{function.__module__}.{function.__qualname__}"})

    if arguments.awaited:

        @functools.wraps(function)
        async def found(*args: Any, **options: Any) -> Any:
            handler = active()
            if handler is None:
                return await function(*args, **options)
            call = ToolTurn(handler, named, arguments.told(args, options), dump, load)
            if call.replayed:
                return call.result()
            with call:
                return call.returned(await function(*args, **options))

    else:

        @functools.wraps(function)
        def found(*args: Any, **options: Any) -> Any:
            handler = active()
            if handler is None:
                return function(*args, **options)
            call = ToolTurn(handler, named, arguments.told(args, options), dump, load)
            if call.replayed:
                return call.result()
            with call:
                return call.returned(function(*args, **options))

    return found


class Arguments:
    """What a function is called with, as its tool's arguments: no two calls that differ in what counts have the same.

    `called` is the name of the function, after that of the class that it is a method of; `awaited` says that it is `async`.
    """

    def __init__(self, function: Any, ignore: Collection[str]) -> None:
        import inspect  # costs milliseconds, and most programs have no tool

        if isinstance(function, classmethod | staticmethod):
            kind = type(function).__name__
            raise InvalidInput(f"a {kind} is no function yet", hint=f"write @runstore.tool below @{kind}", kind="bad-tool")
        if not callable(function) or not hasattr(function, "__qualname__"):
            raise InvalidInput(f"{function!r:.60} is no function", hint="decorate a function that calls it", kind="bad-tool")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidInput(
                f"{function.__qualname__} yields, and a tool returns", hint="decorate what collects its items", kind="bad-tool"
            )
        self._signature = inspect.signature(function)
        self._ignore = frozenset(ignore)
        self.awaited = inspect.iscoroutinefunction(function)
        self.called = function.__qualname__.rpartition("<locals>.")[2]
        names = list(self._signature.parameters)
        method = "." in self.called
        self._owner = names[0] if method and names and names[0] in ("self", "cls") else None
        self._more = next((one.name for one in self._signature.parameters.values() if one.kind is one.VAR_KEYWORD), None)

    def told(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Return the arguments by the signature, as a map; those that do not fit it as they are, as a list of a list and a map."""
        try:
            bound = self._signature.bind(*args, **options)
        except TypeError:  # the function says so itself, and what it says is recorded
            return [list(args[1:] if self._owner is not None else args), self._counting(options)]
        bound.apply_defaults()
        told = {key: item for key, item in bound.arguments.items() if key != self._owner}
        if self._more is not None:
            more = told.pop(self._more)
            # Beside a parameter of the same name, which takes its argument by place alone, they stand by themselves.
            told |= {self._more: self._counting(more)} if more.keys() & self._signature.parameters.keys() else more
        return self._counting(told)

    def _counting(self, told: dict[str, Any]) -> dict[str, Any]:
        return {key: item for key, item in told.items() if key not in self._ignore}
