"""The handler for LangChain where calls end without its being told."""

from __future__ import annotations

from contextvars import copy_context

import pytest

import runstore

pytest.importorskip("langchain_core", reason="langchain-core is not installed")


def test_calls_that_were_cancelled_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose end is never told is not kept for ever: neither its run nor its scope."""
    monkeypatch.setattr("runstore.capture.langchain._MOST", 5)
    handler = runstore.langchain_handler()
    for number in range(20):
        copy_context().run(handler.on_chat_model_start, {"name": "m"}, [], run_id=number)
    assert (len(handler._runs), len(handler._scopes)) == (5, 5)
