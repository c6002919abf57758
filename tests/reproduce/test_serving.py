"""`runstore proxy --replay`: a server that answers from the store, for programs in any language."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runstore.cli.program import run as program
from runstore.errors import NotRecorded
from runstore.repo import Repo
from runstore.reproduce.replay.answering import said
from tests.capture.recordings import ROOT, RUNSTORE
from tests.reproduce.calls import body_of, chat, completion, record
from tests.reproduce.provider import provider

httpx = pytest.importorskip("httpx", reason="the proxy needs httpx")

NOWHERE = "https://api.openai.com"
PATH = "/v1/chat/completions"


@contextmanager
def serving(place: Path, *options: str, upstream: str = NOWHERE, code: int = 0, say: tuple[str, ...] = ()) -> Iterator[str]:
    """Run the proxy in replay in a directory; give its URL, end it with SIGTERM, and compare its exit code and what it said in the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTORE")} | {"PYTHONPATH": str(ROOT)}
    command = [*RUNSTORE, "proxy", "--replay", "--upstream", upstream, *options]
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.search(r"on (http://\S+),", first)
        assert found, first + process.stderr.read()
        try:
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=20)[1]
        assert process.returncode == code, rest
        for text in say:
            assert text in rest, rest


def test_recorded_calls_are_answered_and_others_get_an_error(repo: Repo, tmp_path: Path) -> None:
    """The answer is the recorded one, in both forms; a miss has status 404 and names what differs; nothing else is passed on."""
    made = record(repo, chat(), completion("Four."))
    repo.close()
    with serving(tmp_path, code=15, say=("answered 2 calls from the store, 1 not recorded", "top_p")) as url, httpx.Client() as client:
        whole = client.post(url + PATH, content=body_of(chat()))
        streamed = client.post(url + PATH, content=body_of(chat(stream=True)))
        missed = client.post(url + PATH, content=body_of(chat(top_p=0.5)))
        other = client.get(url + "/v1/models")
    assert (whole.json(), whole.headers["x-runstore-execution"]) == (completion("Four."), made.execution.hex)
    assert streamed.text.rstrip().endswith("data: [DONE]")
    assert (missed.status_code, missed.headers["x-runstore-miss"]) == (404, "not-recorded")
    assert "parameters.top_p: added, 0.5" in missed.json()["error"]["message"]
    assert (other.status_code, "no call of a model" in other.text) == (404, True)


def test_auto_records_what_is_missing(repo: Repo, tmp_path: Path) -> None:
    """What is not recorded is sent and recorded, and answered from the store the next time, in the same process too."""
    repo.close()
    with provider() as server:
        upstream = server.url.removesuffix("/v1")
        with serving(tmp_path, "--mode", "auto", upstream=upstream, say=("answered 1 call from the store, 1 not",)) as url:
            for _ in range(2):
                assert httpx.post(url + PATH, content=body_of(chat())).json()["choices"][0]["message"]["content"] == "Four."
        with serving(tmp_path, "--mode", "compare", upstream=upstream, say=("1 the same, 0 different",)) as url:
            httpx.post(url + PATH, content=body_of(chat()))
        assert len(server.bodies) == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("module", ["openai", "anthropic"])
def test_an_sdk_shows_what_is_missing(module: str, repo: Repo, tmp_path: Path) -> None:
    """The library's own error says what the store said, and it did not ask again."""
    sdk: Any = pytest.importorskip(module, reason=f"{module} is not installed: pip install 'runstore[test-sdks]'")
    record(repo, chat())
    repo.close()
    told = [{"role": "user", "content": "x"}]

    def ask(url: str) -> None:
        if module == "openai":
            with sdk.OpenAI(api_key="k", base_url=url + "/v1") as client:
                client.chat.completions.create(model="gpt-4o", messages=told)
        else:
            with sdk.Anthropic(api_key="k", base_url=url) as client:
                client.messages.create(model="claude", max_tokens=9, messages=told)

    missing = pytest.raises(sdk.NotFoundError, match="no recorded execution answers the request")
    with serving(tmp_path, code=15, say=("0 calls from the store, 1 not recorded",)) as url, missing:
        ask(url)


def test_each_api_finds_the_message() -> None:
    """The body has a message where the libraries of each API look for one."""
    error = NotRecorded("not here", hint="do this")
    body = said(error, "https://x/v1/chat/completions")
    assert body["error"]["message"] == body["message"] == "not here (do this)"
    assert (body["error"]["code"], body["error"]["status"]) == (404, "NOT_FOUND")
    assert said(error, "http://127.0.0.1:11434/api/chat") == {"error": "not here (do this)"}
    assert json.dumps(body)


def test_options_of_replay_need_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused without it, and so is a mode that is none."""
    monkeypatch.chdir(tmp_path)
    for words in (["--choice", "first"], ["--mode", "auto"], ["--normalise", "date"]):
        assert program(["proxy", "--upstream", NOWHERE, *words]) == 2
