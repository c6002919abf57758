"""Batches: requests and answers in files of their own."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from runstore.capture.importers.intake import Outcome, import_entries
from runstore.capture.importers.openai_batch import Reader
from tests.capture.importers.conftest import ANSWERED, ASKED, Imports


def lines(*values: Any) -> bytes:
    """Return JSON lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def request(name: str, **more: Any) -> dict[str, Any]:
    """Return a line of an input file."""
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {**ASKED, **more}}


def answer(name: str, **more: Any) -> dict[str, Any]:
    """Return a line of an output file."""
    response = {"status_code": 200, "request_id": "req_1", "body": ANSWERED}
    return {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": None, **more}


def taken(imports: Imports, *files: tuple[str, bytes], **options: str) -> Outcome:
    """Import a batch."""
    reader = Reader(**options)
    sources = [(name, BytesIO(data)) for name, data in files]
    return import_entries(imports.repo, "openai-batch", reader.read, sources, rest=reader.rest)


def test_requests_and_answers_are_joined_whichever_comes_first(imports: Imports, elsewhere: Imports) -> None:
    """The order of the files changes no id; the executions stand in the order of the requests."""
    asked, answered = lines(request("a"), request("b", seed=1)), lines(answer("b"), answer("a"))
    taken(imports, ("in.jsonl", asked), ("out.jsonl", answered))
    taken(elsewhere, ("out.jsonl", answered), ("in.jsonl", asked))
    assert [found.link for found in imports.executions()] == [found.link for found in elsewhere.executions()]
    assert [found.notes["custom_id"] for found in imports.executions()] == ["b", "a"]
    assert [ref.name for ref in imports.repo.refs()] == ["heads/openai-batch/in"]


def test_a_request_without_an_answer_is_recorded(imports: Imports) -> None:
    """What has not run, or has expired, has no output, and its runtime is unknown."""
    expired = {"id": "x", "custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "too late"}}
    taken(imports, ("in.jsonl", lines(request("a"), request("b"))), ("errors.jsonl", lines(expired)))
    newest, first = imports.executions()
    assert (first.status, newest.status, newest.notes["error"]) == ("error", "error", "too late")


def test_relative_urls_lead_to_the_service_that_is_named(imports: Imports) -> None:
    """OpenAI's unless said otherwise."""
    taken(imports, ("in.jsonl", lines(request("a"))), endpoint="https://batch.example.org/base")
    run = imports.only().run
    assert run is not None
    assert run.model["endpoint"] == "https://batch.example.org/base/v1"


def test_bad_lines_and_answers_to_nothing_are_named(imports: Imports) -> None:
    """A line that is neither, and an answer whose request is in no file."""
    outcome = taken(imports, ("in.jsonl", lines(request("a"), {"custom_id": "x"}, 3) + b"{\n"), ("out.jsonl", lines(answer("z"))))
    assert [(one.file, one.place) for one in outcome.skipped] == [
        ("in.jsonl", "line 2"),
        ("in.jsonl", "line 3"),
        ("in.jsonl", "line 4"),
        ("", "out.jsonl, line 1"),
    ]
