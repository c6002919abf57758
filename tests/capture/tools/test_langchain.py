"""The callback handler for LangChain: scopes and sessions on what the transport saw, and nothing more."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.capture.fake.server import Provider
from tests.capture.recordings import executions

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed: pip install 'runstore[test-sdks]'")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that this process records into."""
    place = tmp_path / "store"
    runstore.instrument(place, background=False)
    yield place
    runstore.uninstrument()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # clients of LangChain are never closed


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A fake provider."""
    with Provider() as made:
        yield made


def model(provider: Provider) -> Any:
    """A chat model."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-x", base_url=provider.url + "/v1", api_key="planted-key")  # type: ignore[arg-type]


def chain(provider: Provider) -> Any:
    """A chain with a tool in it that asks a model itself."""
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.tools import tool

    asked = model(provider)

    @tool
    def librarian(question: str) -> str:
        """Ask the librarian."""
        return str(asked.invoke(question).content)

    first = ChatPromptTemplate.from_messages([("user", "{question}")]) | asked
    return (first.with_config(run_name="reader") | (lambda message: {"question": message.content}) | librarian).with_config(run_name="desk")


def told(store: Path) -> list[tuple[str | None, str | None]]:
    """Return scope and session of each execution."""
    return [(one.notes.get("scope"), one.notes.get("session")) for one in executions(store)]


def test_a_chain_gives_its_calls_scopes_and_a_session(store: Path, provider: Provider) -> None:
    """Each call stands under the names of the runs around it; a thread of the configuration is the session."""
    config = {"callbacks": [runstore.langchain_handler()], "metadata": {"thread_id": "t1"}}
    chain(provider).invoke({"question": "Is it open?"}, config=config)
    assert told(store) == [("desk/reader", "t1"), ("desk/librarian", "t1")]


def test_awaited_and_streamed_chains_do_so_too(store: Path, provider: Provider) -> None:
    """Tasks that run side by side keep their scopes apart, and no scope is left behind."""
    handler = runstore.langchain_handler(session="s1")

    async def run() -> None:
        config = {"callbacks": [handler]}
        await asyncio.gather(*(chain(provider).ainvoke({"question": f"{number}?"}, config=config) for number in range(3)))
        async for _ in chain(provider).astream({"question": "Is it open?"}, config=config):
            pass
        await model(provider).ainvoke("alone")

    asyncio.run(run())
    scopes = told(store)
    assert sorted(scopes[:-1]) == [("desk/librarian", "s1")] * 4 + [("desk/reader", "s1")] * 4
    assert scopes[-1][0] is None
    assert (handler._runs, handler._scopes) == ({}, {})


def test_labels_change_no_run(store: Path, provider: Provider) -> None:
    """With the handler and without it the same call has the same request."""
    model(provider).invoke("Is it open?")
    model(provider).invoke("Is it open?", config={"callbacks": [runstore.langchain_handler()]})
    runstore.uninstrument()
    with runstore.open(store) as repo:
        views = [repo.show(str(entry.link)) for entry in repo.log()]
        assert len({view.run.id for view in views}) == 1  # type: ignore[union-attr]


def test_a_call_that_fails_leaves_no_scope(store: Path, provider: Provider) -> None:
    """An error ends the scope as an answer does."""
    handler = runstore.langchain_handler()
    failing = model(provider).with_config(run_name="x")
    failing.bound.model_name, failing.bound.max_retries = "error-400", 0
    with pytest.raises(Exception, match="as asked"):
        failing.invoke("Is it open?", config={"callbacks": [handler]})
    model(provider).invoke("alone")
    assert told(store)[-1][0] is None
    assert handler._scopes == {}
