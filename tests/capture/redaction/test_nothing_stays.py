"""With redaction on, no secret can be found anywhere in the store's files: not in their bytes, not in any object."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

import runstore
from runstore.capture.fake.server import Provider
from runstore.capture.importers import exchanges
from runstore.capture.redaction import Redactor
from tests.capture.importers.conftest import ANSWERED, Imports, elsewhere, imports, line
from tests.capture.redaction.secrets import PHRASES, PRIVATE_KEY, TOKENS
from tests.capture.redaction.test_redactor import stream

__all__ = ["elsewhere", "imports"]  # fixtures


def planted(kind: str, secret: str) -> bytes:
    """Return exchanges that hold a secret at every place that is kept: headers, URL, bodies, streams, files."""
    file = b64encode(f"x {secret} y".encode()).decode()
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": json.dumps({"k": secret})}}
    chat = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": f"Be brief.\n{secret}"},
            {"role": "user", "content": [{"type": "text", "text": f"use {secret}"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:text/plain;base64," + file}}]},
            {"role": "assistant", "tool_calls": [call]},
        ],
        "tools": [{"type": "function", "function": {"name": "run", "description": secret}}],
        "metadata": {"note": secret},
        "unheard_of": {f"name {secret}": [secret]},
    }
    answer = json.loads(json.dumps(ANSWERED))
    answer["choices"][0]["message"]["content"] = f"It is {secret}."
    answer["system_fingerprint"] = secret
    text = f"It is {secret}."
    headers = {"user-agent": f"app {secret}", "x-title": secret, "authorization": f"Bearer {secret}", "content-type": "application/json"}
    quoted = quote(" ".join(secret.split()), safe="")
    url = f"https://gateway.example.org/{quoted}/openai/deployments/{quoted}/chat/completions?api-version={quoted}&key={quoted}"
    common = {"request_headers": headers, "url": url, "request_body": json.dumps(chat)}
    told = {"content-type": "application/json", "x-request-id": secret}
    calls = (
        line(**common, source=f"{kind}-1", response_body=json.dumps(answer), response_headers=told),
        line(**common, source=f"{kind}-2", response_body=stream(*text).decode(), response_headers={"content-type": "text/event-stream"}),
        line(**common, source=f"{kind}-3", status=500, response_body=f"failed: {secret}", error=f"gone: {secret}"),
        line(**{**common, "request_body": f"no JSON {secret}"}, source=f"{kind}-4", status=None, response_body=None),
    )
    return b"".join(calls)


def test_no_secret_of_any_kind_can_be_found_in_the_store(imports: Imports, tmp_path: Path) -> None:
    """More than 30 kinds, in headers, URLs and bodies: neither the files' bytes nor any inflated object hold one, plain or as base64."""
    secrets = {**TOKENS, "private-key": PRIVATE_KEY}
    data = b"".join(planted(kind, secret) for kind, secret in secrets.items())
    phrases = {text.format(secret): secret for text, secret in PHRASES.values()}
    data += b"".join(
        line(source=text, request_body=json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})) for text in phrases
    )
    outcome = imports("exchanges", exchanges.read, ("calls.jsonl", data), redactor=Redactor())
    assert (outcome.skipped, outcome.left_out) == ((), 0)
    held = b"\n".join(obj.body for obj in imports.repo.dump())
    held += b"\n".join(path.read_bytes() for path in sorted((tmp_path / "store").rglob("*")) if path.is_file())
    wanted = [*TOKENS.values(), *phrases.values(), *PRIVATE_KEY.splitlines()[1:-1]]
    for secret in wanted:
        for written in (secret, json.dumps(secret)[1:-1], b64encode(secret.encode()).decode().rstrip("=")[:-2], quote(secret, safe="")):
            assert written.encode() not in held, secret


def test_what_was_masked_is_told(imports: Imports) -> None:
    """The execution's notes name the places and the rules, and `check` says that the run is not what was sent."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": TOKENS["npm-token"]}]})
    imports("exchanges", exchanges.read, ("calls.jsonl", line(request_body=body)), redactor=Redactor())
    found = imports.only()
    assert found.notes["redacted"] == [{"at": "/request/body/messages/0/content", "rule": "npm-token"}]
    for revision in (str(found.link), str(found.run.link if found.run else "")):
        assert any(finding.code == "redacted" for finding in imports.repo.check(revision).reasons)


def test_a_refused_call_is_skipped_and_named(imports: Imports) -> None:
    """Nothing of it is stored; the others are."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": TOKENS["npm-token"]}]})
    outcome = imports("exchanges", exchanges.read, ("calls.jsonl", line(request_body=body) + line()), redactor=Redactor(refuse=True))
    assert [one.place for one in outcome.skipped] == ["line 1"]
    assert outcome.executions == 1


def test_a_program_is_recorded_as_the_settings_say(tmp_path: Path) -> None:
    """`redact = "mask"` in runstore.toml holds for `instrument`; neither the journal nor the store ever has the secret."""
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    secret = TOKENS["github-token"]
    store = tmp_path / "store"
    runstore.open(store, create=True).close()
    with (store / "runstore.toml").open("a") as settings:
        settings.write('[capture]\nredact = "mask"\n')
    with Provider() as provider:
        runstore.instrument(store, background=False)
        try:
            httpx.post(f"{provider.url}/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": secret}]})
            assert not any(secret.encode() in path.read_bytes() for path in store.rglob("*") if path.is_file())
        finally:
            runstore.uninstrument()
        assert secret.encode() in provider.served[0].received
    with runstore.open(store) as repo:
        assert not any(secret.encode() in obj.body for obj in repo.dump())
        (entry,) = repo.log()
        assert {one["rule"] for one in (entry.execution.notes or {})["redacted"]} == {"github-token"}
