"""Exchanges as JSON lines: one call a line."""

from __future__ import annotations

import json
from base64 import b64encode

import zstandard

from runstore.capture.importers import exchanges
from runstore.model.trees import UNKNOWN
from tests.capture.importers.conftest import ANSWERED, ASKED, Imports, line


def test_a_line_becomes_an_execution_with_what_was_asked_and_answered(imports: Imports) -> None:
    """Model, history, parameters and runtime stand in the run, the answer and the counts in the execution."""
    imports("exchanges", exchanges.read, ("calls.jsonl", line()))
    found = imports.only()
    assert found.run is not None
    assert found.run.model["name"] == "gpt-4o"
    assert list(found.run.history) == ASKED["messages"]
    assert found.run.runtime == {"model": "gpt-4o-2024-08-06"}
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]
    assert found.usage == ANSWERED["usage"]


def test_importing_again_adds_nothing(imports: Imports) -> None:
    """The second import of a file stores no object and moves no ref."""
    data = line() + line(source="https://example.org/tests/sums.yaml#interaction=1")
    imports("exchanges", exchanges.read, ("calls.jsonl", data))
    refs = imports.repo.refs()
    again = imports("exchanges", exchanges.read, ("calls.jsonl", data))
    assert (again.executions, again.new_objects, imports.repo.refs()) == (2, 0, refs)


def test_another_store_gets_the_same_ids(imports: Imports, elsewhere: Imports) -> None:
    """Ids depend on the calls alone, not on the store or the name of the file."""
    imports("exchanges", exchanges.read, ("calls.jsonl", line()))
    elsewhere("exchanges", exchanges.read, ("other.jsonl", line()))
    assert imports.only().link == elsewhere.only().link


def test_a_file_that_has_grown_adds_what_is_new(imports: Imports) -> None:
    """What was imported before is the beginning of the chain; the ref moves to its new end."""
    imports("exchanges", exchanges.read, ("calls.jsonl", line()))
    first = imports.only().link
    imports("exchanges", exchanges.read, ("calls.jsonl", line() + line(source="https://example.org/tests/sums.yaml#interaction=1")))
    (ref,) = imports.repo.refs()
    newest = imports.repo.show(ref.name)
    assert newest.parents == (first,)


def test_lines_of_one_source_file_are_one_chain(imports: Imports) -> None:
    """The file that `source` names is the session and gives the ref its name."""
    imports("exchanges", exchanges.read, ("calls.jsonl", line() + line(source="https://example.org/tests/sums.yaml#interaction=1")))
    assert [ref.name for ref in imports.repo.refs()] == ["heads/exchanges/example.org/tests/sums.yaml"]
    assert {found.notes["session"] for found in imports.executions()} == {"example.org/tests/sums.yaml"}


def test_a_ref_can_be_named(imports: Imports) -> None:
    """With a ref, every session of the file goes on it, as one chain."""
    data = line() + line(source="https://example.org/tests/other.yaml#interaction=0")
    imports("exchanges", exchanges.read, ("calls.jsonl", data), ref="baseline")
    assert [ref.name for ref in imports.repo.refs()] == ["heads/baseline"]


def test_bad_lines_are_named_and_skipped(imports: Imports) -> None:
    """What is no exchange is told with its line; what stands around it is imported."""
    outcome = imports("exchanges", exchanges.read, ("calls.jsonl", b"{\n" + line() + b"[]\n" + line(status="ok", source="b")))
    assert [(one.file, one.place) for one in outcome.skipped] == [
        ("calls.jsonl", "line 1"),
        ("calls.jsonl", "line 3"),
        ("calls.jsonl", "line 4"),
    ]
    assert outcome.executions == 1


def test_a_line_with_notes_that_cannot_be_stored_is_skipped(imports: Imports) -> None:
    """Notes larger than a body may be are told with their line; what stands around it is imported."""
    data = line() + line(source="b", licence="x" * (17 << 20)) + line(source="c")
    outcome = imports("exchanges", exchanges.read, ("calls.jsonl", data))
    assert [(one.place, one.reason) for one in outcome.skipped] == [("line 2", "notes.licence: a string takes more than 16 MiB")]
    assert (outcome.executions, sum(row.exchanges for row in outcome.report)) == (2, 2)


def test_a_parsed_body_does_not_count_as_the_wires(imports: Imports) -> None:
    """Where the recorder had parsed the body, the report promises equal JSON and no bytes."""
    (row,) = imports("exchanges", exchanges.read, ("calls.jsonl", line(request_body_was_parsed=True))).report
    assert (row.byte_exact, row.json_equal) == (0, 1)


def test_the_report_counts_a_wire_body_that_comes_back(imports: Imports) -> None:
    """A body from the wire is counted where it is rebuilt byte for byte."""
    (row,) = imports("exchanges", exchanges.read, ("calls.jsonl", line())).report
    assert (row.api, row.exchanges, row.decoded, row.byte_exact, row.json_equal, row.raw_kept, row.served) == (
        "openai.chat",
        1,
        1,
        1,
        0,
        0,
        1,
    )


def test_a_call_of_no_known_api_is_left_out_and_counted(imports: Imports) -> None:
    """A call that no codec knows is no bad entry: it is counted, and its row has no API."""
    outcome = imports("exchanges", exchanges.read, ("calls.jsonl", line(url="https://example.org/metrics")))
    assert (outcome.executions, outcome.left_out, outcome.skipped, outcome.report[0].api) == (0, 1, (), None)


def test_a_call_without_a_response_says_so(imports: Imports) -> None:
    """No response: the execution has no output, and its runtime is unknown and not absent."""
    imports("exchanges", exchanges.read, ("calls.jsonl", line(status=None, response_body=None)))
    found = imports.only()
    assert found.status == "error"
    assert found.run is not None
    assert found.run.slots["runtime"] is UNKNOWN


def test_a_file_may_be_compressed_and_a_body_base64(imports: Imports, elsewhere: Imports) -> None:
    """A zstd file and a base64 body give the ids that the plain ones give."""
    coded = b64encode(json.dumps(ANSWERED).encode()).decode()
    packed = zstandard.ZstdCompressor().compress(line(response_body=coded, response_body_encoding="base64"))
    imports("exchanges", exchanges.read, ("calls.jsonl.zst", packed))
    elsewhere("exchanges", exchanges.read, ("calls.jsonl", line()))
    assert imports.only().link == elsewhere.only().link


def test_credentials_are_never_stored(imports: Imports) -> None:
    """Headers and query keys on no list are dropped, whatever redaction is set to."""
    secret = "sk-" + "a1B2" * 10
    headers = {"authorization": f"Bearer {secret}", "cookie": secret, "x-api-key": secret}
    url = f"https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent?key={secret}"
    imports(
        "exchanges", exchanges.read, ("calls.jsonl", line(request_headers=headers) + line(url=url, source="b", request_headers=headers))
    )
    assert not any(secret.encode() in obj.body for obj in imports.repo.dump())
