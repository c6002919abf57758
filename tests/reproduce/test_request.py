"""`runstore request`: what was sent comes out again, without its credentials."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from runstore.errors import InvalidInput
from runstore.repo import Repo
from runstore.reproduce.credentials import credential_for, headers_with
from runstore.reproduce.recorded import recorded
from runstore.reproduce.request import elsewhere, request_of
from tests.reproduce.calls import URL, body_of, chat, record
from tests.reproduce.conftest import Cli


def test_the_body_is_the_one_that_was_sent(repo: Repo, cli: Cli) -> None:
    """Method, URL and body come out byte for byte; in place of the key stands its variable."""
    record(repo, chat("Où est-ce ?", seed=7))
    lines = cli("request", "main").lines
    assert lines[0] == f"POST {URL}"
    assert lines[-1].encode() == body_of(chat("Où est-ce ?", seed=7))
    assert "authorization: Bearer $OPENAI_API_KEY" in lines
    assert "sk-secret" not in cli("request", "main").out


def test_json_gives_the_request_in_parts(repo: Repo, cli: Cli) -> None:
    """--json has the URL, the headers, the body and what it says, and which variable the key stands in."""
    record(repo, chat())
    found = cli("request", "main", "--json").json
    assert (found["method"], found["url"], found["json"]) == ("POST", URL, chat())
    assert found["credential"] == {"header": "authorization", "value": "Bearer $OPENAI_API_KEY", "variable": "OPENAI_API_KEY"}


def test_a_run_names_its_newest_request(repo: Repo) -> None:
    """A run or a request id stands for the newest execution that says how it was sent."""
    made = record(repo, chat())
    for name in (str(made.run), made.request.hex()):
        assert request_of(repo, recorded(repo, name)).body == body_of(chat())


def test_what_was_added_by_hand_has_no_request(repo: Repo, cli: Cli) -> None:
    """Without an envelope the request cannot be written, and the error says so."""
    repo.add({"prompt": "Hi"}, output="Hello")
    result = cli("request", "main", code=14)
    assert "is not recorded" in result.err


class _Echo(BaseHTTPRequestHandler):
    received: list[tuple[str, str | None, bytes]] = []  # noqa: RUF012 - one server a test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, self.headers["authorization"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("form", ["--curl", "--python"])
def test_the_printed_program_sends_the_same(repo: Repo, cli: Cli, form: str) -> None:
    """What --curl and --python print, run, sends the body as recorded, and the key of the environment."""
    if form == "--curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = HTTPServer(("127.0.0.1", 0), _Echo)
    server.timeout = 10
    _Echo.received.clear()
    thread = Thread(target=server.handle_request)
    thread.start()
    try:
        request = chat("It's “quoted” $HOME `x`\n\\ok")
        record(repo, request, url=f"http://127.0.0.1:{server.server_port}/v1/chat/completions")
        program = cli("request", "main", form).out
        command = ["sh", "-c", program] if form == "--curl" else [sys.executable, "-c", program]
        done = subprocess.run(command, env={"RUNSTORE_API_KEY": "sk-1", "PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        server.server_close()
        thread.join(5)
    [(path, key, body)] = _Echo.received
    assert (path, key) == ("/v1/chat/completions", "Bearer sk-1")
    assert json.loads(body) == request
    assert body == body_of(request)


@pytest.mark.parametrize(
    ("url", "api", "header", "variable"),
    [
        ("https://api.anthropic.com/v1/messages", "anthropic.messages", "x-api-key", "ANTHROPIC_API_KEY"),
        ("https://my.openai.azure.com/openai/deployments/x/chat/completions", "openai.chat", "api-key", "AZURE_OPENAI_API_KEY"),
        ("https://us-central1-aiplatform.googleapis.com/v1/x", "gemini.generate", "authorization", "GOOGLE_ACCESS_TOKEN"),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/x/converse",
            "bedrock.converse",
            "authorization",
            "AWS_BEARER_TOKEN_BEDROCK",
        ),
        ("https://api.openai.com.evil.example/v1/chat/completions", "openai.chat", "authorization", "RUNSTORE_API_KEY"),
        ("https://gateway.example/v1/messages", "anthropic.messages", "x-api-key", "RUNSTORE_API_KEY"),
    ],
)
def test_each_service_has_its_own_key(url: str, api: str, header: str, variable: str) -> None:
    """A key goes only to the host that it belongs to; other hosts have the variable of runstore."""
    found = credential_for(url, api)
    assert (found.header, found.variable) == (header, variable)


def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    """A known service without its variable is an error that names the variable; an unknown one is called without a key."""
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        headers_with(credential_for(URL, "openai.chat"), {})
    assert headers_with(credential_for("http://127.0.0.1:1/v1/chat/completions", "openai.chat"), {}) == {}


def test_another_service_takes_the_place_of_the_base(repo: Repo) -> None:
    """The path of the API stays behind the base URL that is named instead."""
    record(repo, chat())
    call = elsewhere(request_of(repo, recorded(repo, "main")), "http://127.0.0.1:8000/api/v1/")
    assert call.url == "http://127.0.0.1:8000/api/v1/chat/completions"
