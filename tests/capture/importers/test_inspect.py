"""Logs of Inspect, as its versions 0.3 write them."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from runstore.capture.importers import inspect
from runstore.capture.importers.intake import import_entries
from runstore.model.trees import ABSENT
from tests.capture.importers.conftest import ANSWERED, ASKED, Imports

EVAL = {"eval_id": "e1", "run_id": "r1", "created": "2026-02-02T09:14:00Z", "task": "sums", "task_id": "t1", "model": "openai/gpt-4o"}


def event(**more: Any) -> dict[str, Any]:
    """Return a model event."""
    return {
        "uuid": "u1",
        "timestamp": "2026-02-02T09:14:00.125Z",
        "event": "model",
        "model": "openai/gpt-4o",
        "input": [
            {"id": "m1", "role": "system", "content": "attachment://a1"},
            {"id": "m2", "role": "user", "content": "Two and two?", "source": "input"},
        ],
        "tools": [{"name": "add", "description": "Add.", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "config": {"temperature": 0.5, "max_tokens": None},
        "output": {
            "model": "gpt-4o-2024-08-06",
            "choices": [{"message": {"id": "m3", "role": "assistant", "content": "Four.", "source": "generate"}, "stop_reason": "stop"}],
            "usage": {"input_tokens": 5, "output_tokens": 2},
            "time": 1.5,
        },
        **more,
    }


def log(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a log with one sample."""
    sample = {"id": 1, "epoch": 1, "input": "x", "messages": [], "events": [{"event": "step"}, *events], "attachments": {"a1": "Be brief."}}
    return {"version": 2, "status": "success", "eval": EVAL, "samples": [{**sample, **more}]}


def packed(value: dict[str, Any]) -> bytes:
    """Return a log as an .eval file."""
    found = BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({key: item for key, item in value.items() if key != "samples"}))
        for sample in value["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return found.getvalue()


def taken(imports: Imports, value: dict[str, Any]) -> Any:
    """Import a log, and return what it says."""
    return imports("inspect", inspect.read, ("log.json", json.dumps(value).encode()))


def test_an_event_is_told_without_what_inspect_keeps_for_itself(imports: Imports) -> None:
    """Attachments stand in their places, ids and sources do not; a setting that is null was not given."""
    taken(imports, log(event()))
    found = imports.only()
    assert found.run is not None
    assert list(found.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert list(found.run.history) == [{"role": "user", "content": "Two and two?"}]
    assert found.run.parameters == {"temperature": 0.5, "tool_choice": "auto"}
    assert found.run.runtime == {"model": "gpt-4o-2024-08-06"}
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]
    assert (found.started, found.ended) == (1_770_023_640_125_000, 1_770_023_641_625_000)
    assert [ref.name for ref in imports.repo.refs()] == ["heads/inspect/sums/e1/1-1"]


def test_the_request_that_was_sent_is_read_by_its_codec(imports: Imports) -> None:
    """Where the log has it, slots have the shapes of the API, so that they share objects with calls that were recorded."""
    request = {**ASKED, "tools": None, "extra_headers": {"x": "y"}}
    taken(imports, log(event(call={"request": request, "response": ANSWERED})))
    run = imports.only().run
    assert run is not None
    assert (run.model, run.parameters) == ({"api": "openai.chat", "name": "gpt-4o"}, {"temperature": 0.5})
    assert run.slots["tools"] is ABSENT


def test_messages_and_calls_in_pools_are_put_back(imports: Imports) -> None:
    """Newer logs keep each message once: references stand for stretches of a pool."""
    pool = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    call = {"request": {"model": "gpt-4o", "messages": []}, "call_refs": [[0, 1], [2, 3]], "call_key": "messages", "response": ANSWERED}
    events = [event(input=[], input_refs=[[0, 3]]), event(call=call)]
    taken(imports, log(*events, events_data={"messages": pool, "calls": pool}))
    newest, first = imports.executions()
    assert first.run is not None
    assert newest.run is not None
    assert [message["content"] for message in first.run.history] == ["a", "b", "c"]
    assert [message["content"] for message in newest.run.history] == ["a", "c"]


def test_eval_and_json_of_one_log_are_the_same(imports: Imports, elsewhere: Imports) -> None:
    """The form of the file changes no id."""
    imports("inspect", inspect.read, ("log.eval", packed(log(event()))))
    taken(elsewhere, log(event()))
    assert imports.only().link == elsewhere.only().link


def test_a_sample_without_events_has_its_messages(imports: Imports) -> None:
    """Each answer is an execution, with the messages before it; parameters and tools are unknown."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    taken(imports, log(messages=messages))
    (row,) = taken(imports, log(messages=messages)).report
    assert set(row.unknown) == {"parameters", "tools", "documents", "runtime"}


def test_a_failed_call_is_an_error(imports: Imports) -> None:
    """Its error is a note."""
    taken(imports, log(event(error="rate limit", output={"model": "", "choices": []})))
    found = imports.only()
    assert (found.status, found.notes["error"], found.output) == ("error", "rate limit", None)


@pytest.mark.parametrize("data", [b"{}", b"PK\x03\x04nonsense", b"[", packed({"samples": []})])
def test_what_is_no_log_is_named(imports: Imports, data: bytes) -> None:
    """A file that is none is skipped with the reason."""
    assert len(imports("inspect", inspect.read, ("x.eval", data)).skipped) == 1


def test_a_bad_sample_is_named_and_the_others_are_taken(imports: Imports) -> None:
    """An event that lacks what it needs is told by its place."""
    value = log(event())
    value["samples"] += [{"id": 2}, {"id": 3, "epoch": 1, "events": [event(input=[3])]}]
    outcome = taken(imports, value)
    assert [one.place for one in outcome.skipped] == ["samples[1]", "samples[2], events[0]"]
    assert outcome.executions == 1


@pytest.mark.soak
def test_recorded_logs_are_imported(imports: Imports, recordings: Path | None) -> None:
    """Logs that Inspect itself publishes: every call of a model is taken, and none skipped."""
    if recordings is None:
        pytest.skip("needs recorded logs: give their directory with --data DIR")
    paths = sorted((recordings / "native" / "inspect").iterdir())
    outcome = import_entries(imports.repo, "inspect", inspect.read, [(path.name, path.open("rb")) for path in paths])
    assert (outcome.skipped, outcome.executions) == ((), 15)
