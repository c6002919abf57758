"""Cassettes, as vcrpy, its JSON serializer, pydantic-ai's serializer and VCR for Ruby write them."""

from __future__ import annotations

import gzip
import json
from base64 import encodebytes
from typing import Any

import pytest

from runstore.capture.importers import vcr
from tests.capture.importers.conftest import ANSWERED, ASKED, URL, Imports

# Written by vcrpy 9.4 for two calls of a program that uses httpx; the second response was compressed.
CASSETTE = """interactions:
- request:
    body: "{\\"model\\":\\"tiny\\",\\"messages\\":[{\\"role\\":\\"user\\",\\"content\\":\\"h\\xE9\\"}]}"
    headers:
      accept:
      - '*/*'
      content-type:
      - application/json
      user-agent:
      - python-httpx/0.28.1
    method: POST
    uri: https://api.openai.com/v1/chat/completions
  response:
    body:
      string: '{"id": "chatcmpl-1", "model": "tiny-1", "choices": [{"index": 0, "message":
        {"role": "assistant", "content": "One."}, "finish_reason": "stop"}]}'
    headers:
      content-type:
      - application/json
    status:
      code: 200
      message: OK
- request:
    body: '{"model":"tiny","messages":[{"role":"user","content":"x"}]}'
    headers:
      content-type:
      - application/json
    method: POST
    uri: https://api.openai.com/v1/chat/completions
  response:
    body:
      string: !!binary |
COMPRESSED
    headers:
      content-encoding:
      - gzip
      content-type:
      - application/json
    status:
      code: 200
      message: OK
version: 1
"""


def cassette() -> bytes:
    """Return the YAML cassette."""
    body = encodebytes(gzip.compress(json.dumps(ANSWERED).encode(), mtime=0)).decode().splitlines()
    return CASSETTE.replace("COMPRESSED", "\n".join(" " * 8 + row for row in body)).encode()


def plain(**request: Any) -> bytes:
    """Return a cassette in JSON with one interaction."""
    interaction = {
        "request": {"method": "POST", "uri": URL, "body": json.dumps(ASKED), "headers": {"content-type": ["application/json"]}, **request},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": json.dumps(ANSWERED)}},
    }
    return json.dumps({"version": 1, "interactions": [interaction]}).encode()


def test_interactions_become_a_chain(imports: Imports) -> None:
    """Each interaction is an execution, its body byte for byte that of the cassette; compressed answers are inflated."""
    pytest.importorskip("yaml", reason="needs PyYAML")
    (row,) = imports("vcr", vcr.read, ("tests/cassettes/test_sums.yaml", cassette())).report
    assert (row.exchanges, row.byte_exact) == (2, 2)
    newest, first = imports.executions()
    assert [found.output[0]["content"] for found in (first, newest)] == ["One.", "Four."]
    assert [ref.name for ref in imports.repo.refs()] == ["heads/vcr/test_sums"]


def test_json_needs_no_yaml(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cassette in JSON is read where PyYAML is not installed."""
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert imports("vcr", vcr.read, ("x.json", plain())).executions == 1


def test_without_yaml_the_error_names_what_to_install(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A YAML cassette without PyYAML is an error that names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(LookupError) as caught:
        imports("vcr", vcr.read, ("x.yaml", cassette()))
    assert "runstore[capture]" in str(getattr(caught.value, "hint", ""))


def test_a_parsed_body_is_written_anew(imports: Imports) -> None:
    """Serializers that keep `parsed_body` lost the bytes: the report counts equal JSON."""
    (row,) = imports("vcr", vcr.read, ("x.json", plain(body=None, parsed_body=ASKED))).report
    assert (row.byte_exact, row.json_equal) == (0, 1)


def test_cassettes_of_ruby_are_read(imports: Imports) -> None:
    """`http_interactions` with `base64_string` and `recorded_at` are the same call."""
    held = {"encoding": "ASCII-8BIT", "base64_string": encodebytes(json.dumps(ASKED).encode()).decode()}
    interaction = {
        "request": {"method": "post", "uri": URL, "body": held, "headers": {}},
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {},
            "body": {"encoding": "UTF-8", "string": json.dumps(ANSWERED)},
        },
        "recorded_at": "Mon, 02 Feb 2026 09:14:00 GMT",
    }
    imports("vcr", vcr.read, ("x.json", json.dumps({"http_interactions": [interaction], "recorded_with": "VCR 6.2.0"}).encode()))
    found = imports.only()
    assert found.ended == 1_770_023_640_000_000
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]


@pytest.mark.parametrize(
    "data", [b"", b"a: [", b"- 1", b"interactions: 3", b"interactions: [1]", b"!!python/object/apply:os.system [true]"]
)
def test_what_is_no_cassette_is_named(imports: Imports, data: bytes) -> None:
    """A file that is no cassette, or hides code in it, is skipped with the reason."""
    pytest.importorskip("yaml", reason="needs PyYAML")
    outcome = imports("vcr", vcr.read, ("x.yaml", data))
    assert len(outcome.skipped) == 1
    assert outcome.executions == 0
