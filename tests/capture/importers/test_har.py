"""HAR files, as Chromium, Firefox and mitmproxy write them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from runstore.capture.importers import har
from runstore.model.trees import UNKNOWN
from tests.capture.importers.conftest import ANSWERED, ASKED, URL, Imports


def entry(**more: Any) -> dict[str, Any]:
    """Return an entry as Chromium's developer tools export it."""
    return {
        "_initiator": {"type": "script"},
        "startedDateTime": "2026-02-02T09:14:00.125Z",
        "time": 1250.5,
        "request": {
            "method": "POST",
            "url": URL,
            "httpVersion": "http/2.0",
            "headers": [{"name": ":method", "value": "POST"}, {"name": "content-type", "value": "application/json"}],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 10,
            "postData": {"mimeType": "application/json", "text": json.dumps(ASKED)},
        },
        "response": {
            "status": 200,
            "statusText": "",
            "httpVersion": "http/2.0",
            "headers": [{"name": "content-type", "value": "application/json"}, {"name": "content-encoding", "value": "gzip"}],
            "cookies": [],
            "content": {"size": 100, "mimeType": "application/json", "text": json.dumps(ANSWERED)},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 1, "wait": 1200, "receive": 49.5},
        **more,
    }


def archive(*entries: dict[str, Any]) -> bytes:
    """Return a HAR file."""
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [], "entries": entries}}
    ).encode()


def test_an_entry_becomes_an_execution_with_its_times(imports: Imports) -> None:
    """Request and response are read, `startedDateTime` and `time` say when."""
    imports("har", har.read, ("session.har", archive(entry())))
    found = imports.only()
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]
    assert (found.started, found.ended) == (1_770_023_640_125_000, 1_770_023_641_375_500)
    assert [ref.name for ref in imports.repo.refs()] == ["heads/har/session"]


def test_two_equal_entries_are_two_executions(imports: Imports) -> None:
    """HAR has no ids: calls that say the same are told apart by their order, the same each time."""
    data = archive(entry(), entry())
    imports("har", har.read, ("session.har", data))
    imports("har", har.read, ("session.har", data))
    assert len(imports.executions()) == 2


def test_base64_content_is_read(imports: Imports) -> None:
    """A response that the exporter kept as base64 gives the same output."""
    coded = {"size": 1, "encoding": "base64", "text": b64encode(json.dumps(ANSWERED).encode()).decode()}
    imports("har", har.read, ("session.har", archive(entry(response={"status": 200, "headers": [], "content": coded}))))
    assert list(imports.only().output) == [{"role": "assistant", "content": "Four."}]


def test_a_response_whose_body_was_left_out_is_partial(imports: Imports) -> None:
    """Browsers leave out bodies of streams: the execution is partial and its runtime unknown."""
    imports("har", har.read, ("session.har", archive(entry(response={"status": 200, "headers": [], "content": {"size": 900}}))))
    found = imports.only()
    assert found.status == "partial"
    assert found.run is not None
    assert found.run.slots["runtime"] is UNKNOWN


def test_a_request_that_failed_is_an_error(imports: Imports) -> None:
    """Status 0 means that no response came; what the browser said of it is a note."""
    failed = {"status": 0, "headers": [], "content": {"size": 0}, "_error": "net::ERR_CONNECTION_RESET"}
    imports("har", har.read, ("session.har", archive(entry(response=failed))))
    found = imports.only()
    assert (found.status, found.notes["error"]) == ("error", "net::ERR_CONNECTION_RESET")


def test_bad_entries_are_named(imports: Imports) -> None:
    """An entry that is none is told by its place in the log."""
    outcome = imports("har", har.read, ("session.har", archive({"request": None}, entry())))
    assert [one.place for one in outcome.skipped] == ["log.entries[0]"]
    assert outcome.executions == 1


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"log": []}', b"\xff"])
def test_what_is_no_har_is_one_bad_source(imports: Imports, data: bytes) -> None:
    """A file that is no HAR is skipped as a whole, with the reason."""
    (skipped,) = imports("har", har.read, ("x.har", data)).skipped
    assert skipped.place == ""
