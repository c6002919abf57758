"""From cassettes to recordings: what vcrpy recorded is answered by the plugin."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from runstore.reproduce.recordings.cassettes import named_after
from tests.cli.conftest import Cli, cli
from tests.pytestplugin.conftest import Project

# Loaded here, since pytester forgets what is loaded within a test, and YAML's C half cannot be loaded twice.
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
httpx: Any = pytest.importorskip("httpx", reason="httpx is not installed")
vcr: Any = None if importlib.util.find_spec("vcr") is None else importlib.import_module("vcr")

__all__ = ["cli"]

CASSETTE = """interactions:
- request:
    body: '{"model":"gpt-4o","messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"one"}]}'
    headers: {content-type: [application/json]}
    method: POST
    uri: http://127.0.0.1:4000/v1/chat/completions
  response:
    body: {string: '{"id": "chatcmpl-1", "model": "gpt-4o-1", "choices": [{"index": 0, "message": {"role": "assistant", "content":
        "One."}, "finish_reason": "stop"}]}'}
    headers: {content-type: [application/json], x-request-id: [req-1]}
    status: {code: 200, message: OK}
- request: {body: null, headers: {}, method: GET, uri: 'https://example.com/'}
  response: {body: {string: ''}, headers: {}, status: {code: 200, message: OK}}
- request:
    body: '{"model":"gpt-4o","messages":[]}'
    headers: {content-type: [application/json]}
    method: POST
    uri: http://127.0.0.1:4000/v1/chat/completions
  response: {body: {string: '{"error": {"message": "no"}}'}, headers: {}, status: {code: 429, message: slow down}}
version: 1
"""


def test_a_cassette_becomes_the_recording_of_its_test(project: Project, cli: Cli) -> None:
    """Its model calls are answered in the test that it is named after; what else it holds is counted, and others' recordings stay."""
    project.write(
        'class TestA:\n    @pytest.mark.parametrize("x", ["a.b"])\n    def test_one(self, x):\n        assert ask("one") == "One."\n'
    )
    cassette = project.path / "TestA.test_one[a.b].yaml"
    cassette.write_text(CASSETTE)
    (project.path / "another.yaml").write_text(CASSETTE)
    done = cli("import", "vcr", "--bundle", str(project.file), str(project.path / "another.yaml"))
    assert done.out == f"1 execution on 1 ref in {project.file}\n"
    assert done.err == "left out: 1 call of no API that is known here\nleft out: 1 call without a complete answer\n"
    said = cli("import", "vcr", "--bundle", str(project.file), str(cassette), "--json").json
    assert said == {"file": str(project.file), "executions": 1, "refs": 1, "left_out": 1, "unserved": 1, "skipped": []}
    assert not Path(".runstore").exists()
    assert project.recorded() == {"TestA/test_one[a.b]": 1, "another": 1}
    os.chdir(project.path)
    project.replay()


def test_what_is_no_cassette_is_named(project: Project, cli: Cli) -> None:
    """A file that cannot be read as a cassette is named, exit code 3, and nothing is written."""
    (project.path / "bad.json").write_text("{}")
    done = cli("import", "vcr", "--bundle", str(project.file), str(project.path / "bad.json"), code=3)
    assert "no cassette" in done.err
    assert not project.file.exists()
    assert "--report" in cli("import", "vcr", "--bundle", "x.runs", "--report", str(project.path / "bad.json"), code=2).err


@pytest.mark.parametrize(
    ("cassette", "test"), [("test_a", "test_a"), ("TestA.test_b", "TestA::test_b"), ("TestA.test_b[x.y]", "TestA::test_b[x.y]")]
)
def test_the_test_that_a_cassette_is_named_after(cassette: str, test: str) -> None:
    """A class and its test are joined by a point, as vcrpy's plugins for pytest name cassettes; parameters are left as they are."""
    assert named_after(cassette) == test


@pytest.mark.skipif(vcr is None, reason="vcrpy is not installed")
def test_a_cassette_of_vcrpy_itself(project: Project, cli: Cli) -> None:
    """What the installed vcrpy records of a call through httpx is answered by the plugin."""
    body = {"model": "gpt-4o", "messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "one"}]}
    cassette = project.path / "test_one.yaml"
    with vcr.use_cassette(str(cassette)), httpx.Client(verify=False, trust_env=False) as client:
        client.post(f"{project.provider.url}/v1/chat/completions", json=body)
    cli("import", "vcr", "--bundle", str(project.file), str(cassette))
    project.write('def test_one():\n    assert "one" in ask("one")\n')
    os.chdir(project.path)
    project.replay()
