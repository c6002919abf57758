"""`runstore proxy` as a process: programs call it, it ends by a signal, and the store has the calls."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runstore.capture.fake.server import Provider
from tests.capture.recordings import ROOT, RUNSTORE, executions
from tests.capture.redaction.secrets import TOKENS

httpx = pytest.importorskip("httpx", reason="the proxy needs httpx")

CHAT = "/v1/chat/completions"


def asked(text: str, **more: object) -> dict[str, object]:
    """Return a request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def running(place: Path, upstream: str, *options: str) -> Iterator[str]:
    """Run the command in a directory; give the URL that it says, and end it with SIGTERM."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTORE")} | {"PYTHONPATH": str(ROOT)}
    command = [*RUNSTORE, "proxy", "--upstream", upstream, *options]
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "proxy for" not in said:
            said = process.stderr.readline()
            assert said, process.wait()
        found = re.search(r"on (http://\S+),", said)
        assert found
        try:
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=20)[1]
        assert process.returncode == 0, rest


def test_calls_are_recorded_as_they_lay_on_the_wire(tmp_path: Path) -> None:
    """Streamed and not: the bytes that the service received are rebuilt, the answer stands in the output, labels come from headers."""
    with Provider() as provider:
        with running(tmp_path, provider.url, "--ref", "lang/node") as url, httpx.Client() as client:
            plain = client.post(url + CHAT, json=asked("one"))
            streamed = client.post(
                url + CHAT, json=asked("two", stream=True), headers={"X-Runstore-Session": "s-1", "X-Runstore-Scope": "tool/add"}
            )
            assert client.get(url + "/v1/models").status_code in (200, 404, 405, 501)
        sent = [served.received for served in provider.served if served.path.startswith(CHAT)]
    first, second = executions(tmp_path / ".runstore", "lang/node")
    assert [first.sent, second.sent] == sent
    assert plain.json()["choices"][0]["message"]["content"] == first.output[0]["content"]
    assert "[DONE]" in streamed.text
    assert (first.status, second.status) == ("ok", "ok")
    assert (second.notes["session"], second.notes["scope"]) == ("s-1", "tool/add")


def test_a_secret_is_masked_on_its_way_into_the_store_alone(tmp_path: Path) -> None:
    """With --redact the service gets what was sent, and the store does not."""
    secret = TOKENS["github-token"]
    with Provider() as provider:
        with running(tmp_path, provider.url, "--redact") as url, httpx.Client() as client:
            client.post(url + CHAT, json=asked(f"use {secret}"))
        assert secret.encode() in provider.served[0].received
    (found,) = executions(tmp_path / ".runstore")
    assert b"[redacted:github-token]" in found.sent
    assert {one["rule"] for one in found.notes["redacted"]} == {"github-token"}
    assert not any(secret.encode() in path.read_bytes() for path in (tmp_path / ".runstore").rglob("*") if path.is_file())


def test_what_is_no_upstream_ends_with_exit_code_2(tmp_path: Path) -> None:
    """A URL without a scheme is a mistake of who typed it."""
    found = subprocess.run(
        [*RUNSTORE, "proxy", "--upstream", "api.openai.com"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (found.returncode, "is no URL of a service" in found.stderr) == (2, True)
