"""runstore: a content-addressed store of AI runs, modelled on git."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; `typing` takes a quarter of the time that Python takes to start
if TYPE_CHECKING:
    from typing import Any

    from runstore.capture.clients import async_client, client, recording_transport
    from runstore.capture.instrumenting import drain, instrument, stats, uninstrument
    from runstore.capture.langchain import langchain_handler
    from runstore.capture.mcp import mcp_session
    from runstore.capture.scopes import record, recorded
    from runstore.capture.tools import tool
    from runstore.model.run import Run
    from runstore.model.trees import ABSENT, UNKNOWN
    from runstore.opening import clone
    from runstore.opening import open_repo as open
    from runstore.repo import Repo
    from runstore.reproduce.library import bisect, bisect_over, rerun
    from runstore.reproduce.replay.replaying import replay

__version__ = "0.1.0"
__all__ = [
    "ABSENT", "UNKNOWN", "Repo", "Run", "__version__", "async_client", "bisect", "bisect_over", "client", "clone", "drain", "instrument",
    "langchain_handler", "mcp_session", "open", "record", "recorded", "recording_transport", "replay", "rerun", "stats", "tool",
    "uninstrument",
]  # fmt: skip

# Imported when first used: a program that asks for a version, or a command that reads, need not wait for the rest.
_PLACES = {
    "ABSENT": ("runstore.model.trees", "ABSENT"),
    "UNKNOWN": ("runstore.model.trees", "UNKNOWN"),
    "Repo": ("runstore.repo", "Repo"),
    "Run": ("runstore.model.run", "Run"),
    "async_client": ("runstore.capture.clients", "async_client"),
    "bisect": ("runstore.reproduce.library", "bisect"),
    "bisect_over": ("runstore.reproduce.library", "bisect_over"),
    "client": ("runstore.capture.clients", "client"),
    "clone": ("runstore.opening", "clone"),
    "drain": ("runstore.capture.instrumenting", "drain"),
    "instrument": ("runstore.capture.instrumenting", "instrument"),
    "langchain_handler": ("runstore.capture.langchain", "langchain_handler"),
    "mcp_session": ("runstore.capture.mcp", "mcp_session"),
    "open": ("runstore.opening", "open_repo"),
    "record": ("runstore.capture.scopes", "record"),
    "recorded": ("runstore.capture.scopes", "recorded"),
    "recording_transport": ("runstore.capture.clients", "recording_transport"),
    "replay": ("runstore.reproduce.replay.replaying", "replay"),
    "rerun": ("runstore.reproduce.library", "rerun"),
    "stats": ("runstore.capture.instrumenting", "stats"),
    "tool": ("runstore.capture.tools", "tool"),
    "uninstrument": ("runstore.capture.instrumenting", "uninstrument"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'runstore' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    found = globals()[name] = getattr(__import__(module, fromlist=(attribute,)), attribute)
    return found
