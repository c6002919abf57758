"""A directory with tests of an agent, a provider for it, and a pytest to run in it; no network but for that provider."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runstore.pytestplugin.running
import runstore.pytestplugin.summary  # noqa: F401 - loaded once: a pytest within this one forgets what it loads itself
from runstore.capture.fake.server import Provider
from runstore.reproduce.recordings.files import Recordings
from runstore.reproduce.recordings.names import shown

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("httpcore")  # httpx loads it when it is used

AGENT = """
import httpx, os

def ask(question, prompt="You are terse.", **more):
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": question}]
    body = {"model": "gpt-4o", "messages": messages, **more}
    with httpx.Client(verify=False, trust_env=False) as client:
        answer = client.post(os.environ["LLM"] + "/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]
"""


class Project:
    """A project with an agent (`agent.ask`) and tests, and its provider."""

    def __init__(self, pytester: pytest.Pytester, provider: Provider) -> None:
        self._pytester = pytester
        self.provider = provider
        self.path = pytester.path
        (self.path / "agent.py").write_text(AGENT)
        (self.path / "tests").mkdir()
        self.reachable = {provider.url}
        self.file = self.path / "tests" / "recordings" / "test_it.runs"

    @property
    def sent(self) -> int:
        """How many calls reached the provider."""
        return len(self.provider.served)

    def write(self, tests: str, name: str = "test_it") -> None:
        """Write a module of tests that imports `ask` and is marked; what lies compiled is of another time."""
        (self.path / "tests" / f"{name}.py").write_text(
            f"import pytest\nfrom agent import ask\npytestmark = pytest.mark.runstore\n\n{tests}"
        )

    def run(self, *words: str, process: bool = False, cache: bool = False) -> pytest.RunResult:
        """Run pytest: in this process, or in one of its own; `cache`: it remembers what failed."""
        given = (
            *(() if cache else ("-p", "no:cacheprovider")),
            "-q",
            "-W",
            "error",
            "--import-mode=importlib",
            "-p",
            "runstore.pytestplugin.plugin",
            *words,
        )
        run = self._pytester.runpytest_subprocess if process else self._pytester.runpytest_inprocess
        return run(*given)

    def record(self, *words: str, **outcomes: int) -> pytest.RunResult:
        """Record; the outcomes must be these, or one test that passes."""
        done = self.run("--runstore-mode=record", *words)
        done.assert_outcomes(**(outcomes or {"passed": 1}))
        return done

    def replay(self, *words: str, **outcomes: int) -> pytest.RunResult:
        """Run without a provider; the outcomes must be these, or one test that passes."""
        before = self.sent
        done = self.run(*words)
        done.assert_outcomes(**(outcomes or {"passed": 1}))
        assert self.sent == before
        return done

    def recorded(self, file: Path | None = None) -> dict[str, int]:
        """Return how many calls of each test are recorded."""
        with Recordings(str(file or self.file)) as found:
            return {shown(ref): len(calls) for ref, calls in found.calls.items()}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project, and its provider; no connection but to that one."""
    for name in ("CI", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    with Provider() as provider:
        monkeypatch.setenv("LLM", provider.url)
        monkeypatch.setattr("sys.dont_write_bytecode", True)
        made = Project(pytester, provider)
        pytester.syspathinsert()
        _guard(monkeypatch, made.reachable)
        yield made


def _guard(monkeypatch: pytest.MonkeyPatch, reachable: set[str]) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        assert f"http://{address[0]}:{address[1]}" in reachable, f"a connection to {address} was tried"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
