"""A callback handler for LangChain and LangGraph: it labels the calls of models with the chain, agent and tool that they are made in.

Labels only: what is recorded is what the transport saw. A call's scope is the path of names from the outermost run down to the model's; its
session is the thread that the configuration names (`thread_id`, `session_id`), else the outermost run.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any, NamedTuple

from runstore.capture.scopes import Scope
from runstore.errors import NotFound

_SESSIONS = ("session_id", "thread_id", "conversation_id")
_MOST = 10_000  # runs whose end was never told are forgotten, the oldest first


class _Run(NamedTuple):
    parent: Any
    name: str
    session: str


def langchain_handler(*, session: str | None = None) -> Any:
    """Return a callback handler for LangChain: `model.invoke(…, config={"callbacks": [runstore.langchain_handler()]})`.

    It labels what `instrument` or `exec` record, and needs nothing else. `session` is the session of all its calls. Threads and tasks may
    share one. Raises NotFound where langchain-core is not installed.
    """
    try:
        base: Any = import_module("langchain_core.callbacks").BaseCallbackHandler
    except ImportError as error:
        raise NotFound(
            "this needs langchain-core, which is not installed", hint="pip install langchain-core", kind="missing-extra"
        ) from error

    class Labels(base):  # type: ignore[misc]
        """Keeps the tree of runs, and puts a scope around each call of a model."""

        raise_error = False
        run_inline = True  # in the task of the call itself: elsewhere a scope would not reach it

        def __init__(self) -> None:
            self._runs: dict[Any, _Run] = {}
            self._scopes: dict[Any, Scope] = {}
            self._lock = threading.Lock()

        def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **said: Any) -> None:
            self._begin(run_id, serialized, said)

        def on_tool_start(self, serialized: Any, input_str: Any, *, run_id: Any, **said: Any) -> None:
            self._begin(run_id, serialized, said)

        def on_retriever_start(self, serialized: Any, query: Any, *, run_id: Any, **said: Any) -> None:
            self._begin(run_id, serialized, said)

        def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: Any, **said: Any) -> None:
            self._call(run_id, serialized, said)

        def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: Any, **said: Any) -> None:
            self._call(run_id, serialized, said)

        def on_chain_end(self, outputs: Any, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_chain_error(self, error: BaseException, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_tool_end(self, output: Any, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_tool_error(self, error: BaseException, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_retriever_end(self, documents: Any, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_retriever_error(self, error: BaseException, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_llm_end(self, response: Any, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def on_llm_error(self, error: BaseException, *, run_id: Any, **said: Any) -> None:
            self._end(run_id)

        def _begin(self, run_id: Any, serialized: Any, said: dict[str, Any]) -> None:
            name = said.get("name") or (serialized or {}).get("name") or "run"
            metadata = said.get("metadata") or {}
            with self._lock:
                above = self._runs.get(said.get("parent_run_id"))
                stated = next((str(metadata[key]) for key in _SESSIONS if metadata.get(key)), None)
                whole = session or (above.session if above else None) or stated or str(run_id)
                self._runs[run_id] = _Run(said.get("parent_run_id"), str(name).replace("/", "_"), whole)
                while len(self._runs) > _MOST:
                    oldest = next(iter(self._runs))
                    del self._runs[oldest]
                    self._scopes.pop(oldest, None)  # a call that was cancelled tells no end

        def _call(self, run_id: Any, serialized: Any, said: dict[str, Any]) -> None:
            self._begin(run_id, serialized, said)
            with self._lock:
                run = self._runs[run_id]
                path, at = [], self._runs.get(run.parent)
                while at is not None:
                    path.append(at.name)
                    at = self._runs.get(at.parent)
                scope = self._scopes[run_id] = Scope(None, run.session, "/".join(reversed(path)) or None, None)
            scope.__enter__()

        def _end(self, run_id: Any) -> None:
            with self._lock:
                self._runs.pop(run_id, None)
                scope = self._scopes.pop(run_id, None)
            if scope is not None:
                scope.over = True  # asyncio: the end is told in a task of its own
                scope.__exit__(None, None, None)

    return Labels()
