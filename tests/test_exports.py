"""What `import runstore` gives: few names, pinned, and nothing loaded before it is used."""

import subprocess
import sys

import pytest

import runstore
from runstore.capture import clients, instrumenting, langchain, mcp, scopes, tools
from runstore.model.run import Run
from runstore.model.trees import ABSENT, UNKNOWN
from runstore.opening import clone, open_repo
from runstore.repo import Repo
from runstore.reproduce import library
from runstore.reproduce.replay import replaying
from tests.transcripts import ROOT

NAMES = [
    "ABSENT", "UNKNOWN", "Repo", "Run", "__version__", "async_client", "bisect", "bisect_over", "client", "clone", "drain", "instrument",
    "langchain_handler", "mcp_session", "open", "record", "recorded", "recording_transport", "replay", "rerun", "stats", "tool",
    "uninstrument",
]  # fmt: skip
HEAVY = {"asyncio", "blake3", "click", "inspect", "json", "lmdb", "msgpack", "pathlib", "zstandard"}


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program leaves loaded, in an interpreter that loads little of its own."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules); {program}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_names_are_pinned() -> None:
    """A name is added to the package on purpose, and none goes away unnoticed."""
    assert runstore.__all__ == NAMES


def test_the_names_lead_to_the_things() -> None:
    """What is imported when first used is the same thing as where it is defined."""
    places = {
        "ABSENT": ABSENT, "UNKNOWN": UNKNOWN, "Repo": Repo, "Run": Run, "clone": clone, "open": open_repo,
        "async_client": clients.async_client, "client": clients.client, "recording_transport": clients.recording_transport,
        "drain": instrumenting.drain, "instrument": instrumenting.instrument, "stats": instrumenting.stats,
        "uninstrument": instrumenting.uninstrument, "record": scopes.record, "recorded": scopes.recorded,
        "replay": replaying.replay,
        "rerun": library.rerun, "bisect": library.bisect, "bisect_over": library.bisect_over,
        "tool": tools.tool, "mcp_session": mcp.mcp_session, "langchain_handler": langchain.langchain_handler,
    }  # fmt: skip
    assert {name: getattr(runstore, name) for name in NAMES if name != "__version__"} == places


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """The lazy names do not hide a misspelling."""
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        runstore.opne  # noqa: B018 - looked at for its error


def test_import_is_light() -> None:
    """`import runstore` loads no dependency and no module of the package."""
    loaded = loaded_by("import runstore")
    assert {name for name in loaded if name.startswith("runstore")} == {"runstore"}
    assert not loaded & HEAVY
