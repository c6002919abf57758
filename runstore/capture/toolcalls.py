"""One call of a tool, shown to the handler in force as any other call is: its name and arguments are the request, its result the answer.

So recording, replay, scopes, redaction and the journal are those of model calls. Standard library alone.
Source: docs/design/0011-tool-calls.md, docs/spec/wire/runstore.tool.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from runstore.capture import raised
from runstore.capture.scopes import Scope
from runstore.capture.strictjson import plain_json
from runstore.capture.tap.handler import Call, Handler, Reply
from runstore.errors import InvalidInput

URL = "http://tools.localhost/runstore.tool"
_HEADERS = (("content-type", "application/json"),)
Convert = Callable[[Any], Any]


class Named(NamedTuple):
    """A tool: its name, the MCP server that has it (None for a function), and what answers, for the run's `runtime`."""

    name: str
    server: str | None
    runtime: dict[str, Any]


class ToolTurn:
    """One call of a tool. If it is `replayed`, `result` gives the answer; else the tool is called within it, and `returned` is told.

    Raises what a handler raises: NotRecorded in replay, which names the argument that is no JSON if that is the reason.
    """

    def __init__(self, handler: Handler, named: Named, arguments: Any, dump: Convert | None = None, load: Convert | None = None) -> None:
        self._named = named
        self._dump, self._load = dump, load
        self._scope = Scope(None, None, named.name, None)
        self._turn = handler.start(_call(named, arguments))
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
            raise raised.remade(self._named.name, told["error"])
        return self._load(told["result"]) if self._load is not None else told["result"]

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._scope.__exit__(kind, error, trace)
        if isinstance(error, Exception):
            self._tell(500, self._json({"error": raised.told(error)}))
        elif error is not None:
            self._turn.failed(error)  # cancelled: nobody knows what it did

    def returned(self, result: Any) -> Any:
        """Tell what the tool returned, and return it unchanged. What is no JSON is recorded as a call without an answer."""
        try:
            data = self._json({"result": self._dump(result) if self._dump is not None else result})
        except Exception as error:  # noqa: BLE001 - the border to the host program: `dump` is there for the record alone
            self._turn.failed(TypeError(f"what {self._named.name} returned is no JSON: {raised.said(error)}"))
        else:
            self._tell(200, data)
        return result

    def _json(self, said: dict[str, Any]) -> bytes:
        return plain_json({**said, "runtime": self._named.runtime})

    def _tell(self, status: int, data: bytes) -> None:
        watcher = self._turn.answered(status, _HEADERS)
        if watcher is not None:
            watcher.chunk(data)
            watcher.end(complete=True)


def _call(named: Named, arguments: Any) -> Call:
    server = {} if named.server is None else {"server": named.server}
    try:
        return Call("POST", URL, _HEADERS, plain_json({"name": named.name, **server, "arguments": arguments}))
    except (TypeError, ValueError, RecursionError) as error:
        return Call("POST", URL, _HEADERS, None, _unknown(named.name, arguments, error))


def _unknown(name: str, arguments: Any, error: Exception) -> InvalidInput:
    """Return why a call cannot be known, by the first argument that is no JSON."""
    for key, item in arguments.items() if isinstance(arguments, dict) else ():
        try:
            plain_json(item)
        except (TypeError, ValueError, RecursionError) as reason:
            fact = f"the argument {key} of the tool {name} is no JSON: {reason}"
            return InvalidInput(fact, hint=f'@runstore.tool(ignore=("{key}",)) leaves it out', kind="bad-argument")
    return InvalidInput(f"what the tool {name} was given is no JSON: {error}", kind="bad-argument")
