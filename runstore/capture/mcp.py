"""An MCP client session whose calls are recorded, and answered from the record in replay. Needs `mcp` 2.

`initialize`, `list_tools` and `call_tool` are calls of tools to the handler in force (`toolcalls.py`); all else is the session's own.
What tools a server has is a label of the calls that follow: `notes.mcp`, by server. The transport of the model calls stays the truth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from runstore.capture import scopes
from runstore.capture.tap.active import active
from runstore.capture.toolcalls import Named, ToolTurn
from runstore.errors import InvalidInput, NotFound


class Session:
    """See `mcp_session`."""

    def __init__(self, session: Any, server: str, types: Any) -> None:
        self._session = session
        self._server = server
        self._types = types
        self._info: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._session is None:
            raise InvalidInput(
                f"{name}: this session stands for a recorded one", hint="give a session that is connected", kind="no-session"
            )
        return getattr(self._session, name)

    @property
    def server_info(self) -> Any:
        """Name and version of the server, once `initialize` was answered."""
        return self._info.server_info if self._info is not None else self.__getattr__("server_info")

    async def initialize(self) -> Any:
        """As the session's own."""
        self._info = await self._asked("mcp:initialize", {}, self._types.InitializeResult, lambda: self._own("initialize")())
        return self._info

    async def list_tools(self, **options: Any) -> Any:
        """As the session's own. Calls from here on, in this flow of control, are labelled with the tools of this server."""
        given = {key: _plain(item) for key, item in options.items() if item is not None}
        found = await self._asked("mcp:tools/list", given, self._types.ListToolsResult, lambda: self._own("list_tools")(**options))
        scopes.note("mcp", {self._server: snapshot(_plain(found)["tools"])})
        return found

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None, **options: Any) -> Any:
        """As the session's own. A result may say that the tool failed; what the session raises is recorded and raised again."""
        return await self._asked(name, arguments, self._types.CallToolResult, lambda: self._own("call_tool")(name, arguments, **options))

    async def _asked(self, name: str, arguments: Any, kind: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        handler = active()
        if handler is None:
            return await ask()
        info = self.server_info if self._session is not None or self._info is not None else None
        runtime = {} if info is None else {"server": info.name, "version": info.version}
        turn = ToolTurn(handler, Named(name, self._server, runtime), arguments, _plain, kind.model_validate)
        if turn.replayed:
            return turn.result()
        with turn:
            return turn.returned(await ask())

    def _own(self, name: str) -> Any:
        return self.__getattr__(name)


def mcp_session(session: Any = None, *, server: str) -> Session:
    """Return an MCP client session that records its calls, and answers them from the record in replay.

    `session` is a `ClientSession` of the `mcp` package; in replay it may be None, so that no server has to run. `server` names it in
    records: the same name finds them again. Raises NotFound where `mcp` is not installed.
    """
    try:
        types = import_module("mcp.types")
    except ImportError as error:
        raise NotFound("this needs mcp, which is not installed", hint="pip install mcp", kind="missing-extra") from error
    return Session(session, server, types)


def snapshot(tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a label says of a list of tools: their names, and a digest of all that was said of them, in order."""
    said = json.dumps(tools, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return {"tools": [tool["name"] for tool in tools], "sha256": hashlib.sha256(said).hexdigest()}


def _plain(value: Any) -> Any:
    """Return a model of MCP as JSON, as it lies on the wire."""
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json", by_alias=True, exclude_none=True)
