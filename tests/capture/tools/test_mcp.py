"""The MCP session: calls of a server's tools are recorded, and answered without the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.raised import ToolFailed
from runstore.errors import InvalidInput, NotRecorded
from tests.reproduce.calls import body_of, chat
from tests.reproduce.guard import no_network
from tests.reproduce.provider import provider

memory = pytest.importorskip("mcp.shared.memory", reason="mcp is not installed: pip install 'runstore[test-sdks]'")
pytestmark = pytest.mark.filterwarnings("ignore")

called: list[str] = []


async def connected(work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Do something with a session that is connected to a server in this process."""
    import anyio
    from mcp import ClientSession
    from mcp.server.mcpserver import MCPServer

    server: Any = MCPServer("library", version="7")

    @server.tool()  # type: ignore[untyped-decorator]
    def find_book(title: str) -> str:
        """Find a book."""
        called.append(title)
        if title == "none":
            raise ValueError("no such book")
        return f"{title}: shelf 3"

    lowlevel = server._lowlevel_server
    async with (
        memory.create_client_server_memory_streams() as ((read, write), (their_read, their_write)),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: lowlevel.run(their_read, their_write, lowlevel.create_initialization_options()))
        async with ClientSession(read, write) as session:
            found = await work(session)
        tasks.cancel_scope.cancel()
    return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store, and nothing called."""
    called.clear()
    return tmp_path / "store"


async def agent(session: Any) -> tuple[list[str], str, bool]:
    """Do what an agent does: begin, look at the tools, call one that answers and one that fails."""
    wrapped = runstore.mcp_session(session, server="library")
    info = await wrapped.initialize()
    tools = await wrapped.list_tools()
    found = await wrapped.call_tool("find_book", {"title": "Emma"})
    failed = await wrapped.call_tool("find_book", {"title": "none"})
    assert info.server_info.name == wrapped.server_info.name == "library"
    return [tool.name for tool in tools.tools], found.content[0].text, failed.is_error


def test_a_server_is_called_once_and_answered_from_the_record_then(store: Path) -> None:
    """The second time there is no server at all: handshake, tools and results come from the store, as models of MCP."""
    with runstore.replay("record", store=store):
        first = asyncio.run(connected(agent))
    assert first == (["find_book"], "Emma: shelf 3", True)
    with no_network(), runstore.replay(store=store) as replaying:
        assert asyncio.run(agent(None)) == first
    assert (called, replaying.hits) == (["Emma", "none"], 4)


def test_without_a_recording_the_session_is_the_sessions_own(store: Path) -> None:
    """Nothing in force: calls go through, other methods are the session's own."""

    async def work(session: Any) -> Any:
        wrapped = runstore.mcp_session(session, server="library")
        await wrapped.initialize()
        assert wrapped.protocol_version == session.protocol_version
        return await agent(wrapped)

    assert asyncio.run(connected(work))[1] == "Emma: shelf 3"
    assert not store.exists()


def test_a_call_that_was_not_recorded_is_a_miss(store: Path) -> None:
    """Other arguments are not sent, and the error names what differs; without a session nothing else can be asked."""
    with runstore.replay("record", store=store):
        asyncio.run(connected(agent))
    wrapped = runstore.mcp_session(server="library")
    with runstore.replay(store=store, strict=False), pytest.raises(NotRecorded, match="title"):
        asyncio.run(wrapped.call_tool("find_book", {"title": "Persuasion"}))
    with pytest.raises(InvalidInput, match="read_resource"):
        wrapped.read_resource("x")


def test_what_the_session_raises_is_raised_again(store: Path) -> None:
    """An error of the protocol is recorded with the call."""

    class Broken:
        server_info = None

        async def call_tool(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("the server is gone")

    with runstore.replay("record", store=store), pytest.raises(RuntimeError):
        asyncio.run(runstore.mcp_session(Broken(), server="library").call_tool("x"))
    with runstore.replay(store=store), pytest.raises((RuntimeError, ToolFailed), match="the server is gone"):
        asyncio.run(runstore.mcp_session(server="library").call_tool("x"))


def test_the_tools_of_a_server_are_a_label_of_the_calls_that_follow(store: Path) -> None:
    """A model call after `list_tools` says which tools which server had, by name and digest; its run says nothing of it."""
    import httpx

    async def work(session: Any) -> None:
        wrapped = runstore.mcp_session(session, server="library")
        await wrapped.initialize()
        with runstore.record(session="s1"):
            await wrapped.list_tools()
            httpx.post(server.chat, content=body_of(chat()))

    with provider() as server, runstore.replay("record", store=store):
        asyncio.run(connected(work))
    with runstore.open(store) as repo:
        notes = [entry.execution.notes or {} for entry in repo.log()]
    (label,) = [found["mcp"] for found in notes if "mcp" in found]
    assert label["library"]["tools"] == ["find_book"]
    assert len(label["library"]["sha256"]) == 64
