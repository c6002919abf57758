"""A real server in a process of its own, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from runstore.repo import TABLES, now_microseconds
from runstore.serve.grants import parse_grant
from runstore.serve.tokens import add_token
from runstore.sync.connect import Access, Connect
from runstore.sync.http import connector
from runstore.sync.urls import parse_url

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


class Running(NamedTuple):
    """A server that runs: its URL, the process, where its log goes, and the file of tokens."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    tokens: Path

    @property
    def port(self) -> int:
        """The port."""
        return int(self.url.rpartition(":")[2])

    def connect(self, store: str, token: str | None) -> Connect:
        """Return what opens a channel to a store with a token."""
        return connecting(f"{self.url}/{store}", token)

    def stop(self) -> int:
        """End the server as a supervisor would; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def connecting(url: str, token: str | None) -> Connect:
    """Return what opens a channel to a URL."""
    return connector(parse_url(url), Access(TABLES, now_microseconds, "caller", token=lambda: token))


def secret(number: int) -> str:
    """Return a token, the same on every call."""
    return f"rst_{number:043d}"


def granted(path: Path, grants: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Write a file of tokens; return the tokens by name."""
    made: dict[str, str] = {}
    for number, (name, may) in enumerate(grants.items()):
        made[name] = secret(number)
        add_token(str(path), name, made[name], [parse_grant(text) for text in may])
    return made


@contextmanager
def serving(stores: Mapping[str, Path], tokens: Path, *options: str, scheme: str = "http") -> Iterator[Running]:
    """Start a server for stores by name; stop it afterwards."""
    pytest.importorskip("granian", reason="the extra [serve] is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tokens.with_suffix(".log")
    named = [f"{name}={path}" for name, path in stores.items()]
    command = [sys.executable, "-m", "runstore", "serve", "--http", str(port), "--tokens", str(tokens), *options, *named]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out, subprocess.Popen(command, stderr=out, stdout=out, env=environment) as process:
        running = Running(f"{scheme}://127.0.0.1:{port}", process, log, tokens)
        try:
            _wait(running)
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(running: Running) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if running.process.poll() is not None:
            break
        if running.url.startswith("https"):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", running.port)):
                    return
        else:
            with contextlib.suppress(OSError):
                connection = HTTPConnection("127.0.0.1", running.port, timeout=5)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    connection.close()
                    return
        time.sleep(0.05)
    pytest.fail(f"the server does not answer: {running.log.read_text()[-2000:]}")
