"""Tools: functions of the program whose calls are recorded, and answered from the record in replay.

A call of a tool is shown to the handler in force as any other call is: its name and arguments are the request, its result the answer. So
recording, replay, scopes, redaction and the journal are those of model calls. Standard library alone.
Source: docs/design/0011-tool-calls.md.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeVar, overload

from runstore.capture.scopes import Scope
from runstore.capture.tap.active import active
from runstore.capture.tap.handler import Call, Handler, Reply, Turn
from runstore.errors import InvalidInput, RunstoreError

URL = "http://tools.localhost/runstore.tool"
_HEADERS = (("content-type", "application/json"),)
_F = TypeVar("_F", bound=Callable[..., Any])
Convert = Callable[[Any], Any]


class ToolFailed(RunstoreError):
    """The recorded call of a tool raised an error of a class that this program has not loaded."""

    kind = "tool-failed"


class Named(NamedTuple):
    """A tool: its name, the MCP server that has it (None for a function), and what answers, for the run's `runtime`."""

    name: str
    server: str | None
    runtime: dict[str, Any]


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

    Arguments and result are JSON, the arguments by the signature; the `self` or `cls` of a method is left out, and so are those named in
    `ignore`, which then do not count. `dump` makes JSON of a result, `load` the result of JSON. What the function raises is recorded, and
    raised again. Where nothing is recorded or replayed the function is called, and nothing else happens. Calls of models within it belong
    to a scope of the tool's name. Raises InvalidInput for a generator.
    """
    if callable(name):
        return _wrapped(name, None, (), None, None)
    return lambda function: _wrapped(function, name, ignore, dump, load)


def _wrapped(function: Any, name: str | None, ignore: Collection[str], dump: Convert | None, load: Convert | None) -> Any:
    import inspect  # costs milliseconds, and most programs have no tool

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInput(f"{function.__qualname__} yields, and a tool returns", hint="decorate what collects its items", kind="bad-tool")
    signature = inspect.signature(function)
    first = next(iter(signature.parameters), None)
    owner = first if first in ("self", "cls") else None
    named = Named(name or function.__name__, None, {"function": f"{function.__module__}.{function.__qualname__}"})

    def arguments(args: Any, options: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        told = {key: item for key, item in bound.arguments.items() if key != owner}
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                more = told.pop(parameter.name, {})
                # Beside a parameter of the same name, which takes its argument by place alone, they stand by themselves.
                told |= {parameter.name: more} if more.keys() & signature.parameters.keys() else more
        return {key: item for key, item in told.items() if key not in ignore}

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def found(*args: Any, **options: Any) -> Any:
            handler = active()
            if handler is None:
                return await function(*args, **options)
            call = ToolTurn(handler, named, arguments(args, options), dump, load)
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
            call = ToolTurn(handler, named, arguments(args, options), dump, load)
            if call.replayed:
                return call.result()
            with call:
                return call.returned(function(*args, **options))

    return found


class ToolTurn:
    """One call of a tool. If it is `replayed`, `result` gives the answer; else the tool is called within it, and `returned` is told.

    Raises NotRecorded where a handler does, and InvalidInput for arguments that are no JSON if they have to be known.
    """

    def __init__(self, handler: Handler, named: Named, arguments: Any, dump: Convert | None = None, load: Convert | None = None) -> None:
        self._named = named
        self._dump, self._load = dump, load
        self._scope = Scope(None, None, named.name, None)
        try:
            body: bytes | None = _request(named, arguments)
        except InvalidInput as error:
            body, self._turn = None, _started(handler, None, error)
        if body is not None:
            self._turn = handler.start(Call("POST", URL, _HEADERS, body))
        self._reply: Reply | None = self._turn.reply

    @property
    def replayed(self) -> bool:
        """True if the answer is recorded."""
        return self._reply is not None

    def result(self) -> Any:
        """Return the recorded result, or raise what the tool raised."""
        assert self._reply is not None
        told = json.loads(b"".join(self._reply.chunks))
        if "error" in told:
            raise _raised(self._named.name, told["error"])
        return self._load(told["result"]) if self._load is not None else told["result"]

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._scope.__exit__(kind, error, trace)
        if isinstance(error, Exception):
            self._tell(500, self._json({"error": _error(error)}))
        elif error is not None:
            self._turn.failed(error)  # cancelled: nobody knows what it did

    def returned(self, result: Any) -> Any:
        """Tell what the tool returned, and return it unchanged. What is no JSON is recorded as a call without an answer."""
        try:
            data = self._json({"result": self._dump(result) if self._dump is not None else result})
        except Exception as error:  # noqa: BLE001 - the border to the host program: `dump` is there for the record alone
            self._turn.failed(TypeError(f"what {self._named.name} returned is no JSON: {_said(error)}"))
        else:
            self._tell(200, data)
        return result

    def _json(self, said: dict[str, Any]) -> bytes:
        return _json({**said, "runtime": self._named.runtime})

    def _tell(self, status: int, data: bytes) -> None:
        watcher = self._turn.answered(status, _HEADERS)
        if watcher is not None:
            watcher.chunk(data)
            watcher.end(complete=True)


def _request(named: Named, arguments: Any) -> bytes:
    server = {} if named.server is None else {"server": named.server}
    if isinstance(arguments, dict):
        for key, item in arguments.items():
            try:
                _json(item)
            except (TypeError, ValueError, RecursionError) as error:
                fact = f"the argument {key} of the tool {named.name} is no JSON: {error}"
                raise InvalidInput(fact, hint=f'@runstore.tool(ignore=("{key}",)) leaves it out', kind="bad-argument") from error
    return _json({"name": named.name, **server, "arguments": arguments})


def _started(handler: Handler, body: bytes | None, error: InvalidInput) -> Turn:
    """Begin a call that nobody can read: who records counts it as lost, who replays has to say why it is a miss."""
    try:
        return handler.start(Call("POST", URL, _HEADERS, body))
    except RunstoreError as miss:
        raise error from miss


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")


def _error(error: Exception) -> dict[str, Any]:
    kind = type(error)
    told: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "message": _said(error)}
    try:
        _json(error.args)
        told["args"] = list(error.args)
    except (TypeError, ValueError, RecursionError):
        pass
    return told


def _said(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the border to the host program: its class cannot say what it is
        return type(error).__name__


def _raised(name: str, told: dict[str, Any]) -> Exception:
    """Return the error that was recorded: of its own class where that is loaded already, since nothing is imported on a record's word."""
    module, _, wanted = str(told.get("type")).rpartition(".")
    kind = getattr(sys.modules.get(module), wanted, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and "args" in told:
        with contextlib.suppress(Exception):  # a class whose arguments are not those that it was made with
            return kind(*told["args"])
    return ToolFailed(f"{name} raised {told.get('type')}: {told.get('message')}", hint="the class of the error is not loaded here")
