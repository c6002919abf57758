"""The handler for LangChain where calls end without its being told."""

from __future__ import annotations

from contextvars import copy_context

import pytest

import runstore
from runstore.capture.scopes import current

pytest.importorskip("langchain_core", reason="langchain-core is not installed")


def test_calls_that_were_cancelled_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose end is never told is not kept for ever: neither its run nor its scope."""
    monkeypatch.setattr("runstore.capture.langchain._MOST", 5)
    handler = runstore.langchain_handler()
    for number in range(20):
        copy_context().run(handler.on_chat_model_start, {"name": "m"}, [], run_id=number)
    assert (len(handler._runs), len(handler._scopes)) == (5, 5)


def test_a_call_that_ends_in_another_task_is_over() -> None:
    """The calls that follow it in its own task are no longer its own."""
    handler = runstore.langchain_handler()
    handler.on_chat_model_start({"name": "m"}, [], run_id=1)
    assert current() is not None
    copy_context().run(handler.on_llm_end, None, run_id=1)
    assert current() is None
