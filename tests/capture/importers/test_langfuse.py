"""Traces of Langfuse, as its API and its exports give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runstore.capture.importers import langfuse
from runstore.capture.importers.intake import import_entries
from runstore.model.trees import UNKNOWN
from tests.capture.importers.conftest import ANSWERED, Imports


def generation(**more: Any) -> dict[str, Any]:
    """Return an observation as the API gives it."""
    return {
        "id": "o1",
        "traceId": "t1",
        "type": "GENERATION",
        "name": "chat gpt-4o",
        "startTime": "2026-02-02T09:14:00.000Z",
        "endTime": "2026-02-02T09:14:01.500Z",
        "parentObservationId": "s1",
        "level": "DEFAULT",
        "model": "gpt-4o",
        "modelParameters": {"temperature": 0.5, "stop": None, "text": '{"format":{"type":"text"}}'},
        "input": json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Two and two?"}]),
        "output": json.dumps({"role": "assistant", "content": "Four."}),
        "usageDetails": {"input": 5, "output": 2},
        "toolDefinitions": {},
        **more,
    }


SYSTEM = {"role": "system", "content": "s"}
SPAN = {"id": "s1", "traceId": "t1", "type": "SPAN", "name": "agent", "startTime": "2026-02-02T09:14:00.000Z", "input": "x"}


def trace(*observations: dict[str, Any]) -> dict[str, Any]:
    """Return a trace with its observations."""
    return {
        "trace": {"id": "t1", "timestamp": "2026-02-02T09:14:00Z", "sessionId": "s-7", "userId": None},
        "observations": list(observations),
    }


def taken(imports: Imports, value: Any) -> Any:
    """Import a file."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return imports("langfuse", langfuse.read, ("trace.json", data))


def test_a_generation_is_told_with_its_session_and_scope(imports: Imports) -> None:
    """Messages, parameters and times are read; what encloses the call is in its notes."""
    taken(imports, trace(SPAN, generation()))
    found = imports.only()
    assert found.run is not None
    assert list(found.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert found.run.parameters == {"temperature": 0.5, "text": {"format": {"type": "text"}}}
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]
    assert (found.notes["session"], found.notes["scope"]) == ("s-7", "agent")
    assert (found.started, found.ended) == (1_770_023_640_000_000, 1_770_023_641_500_000)


def test_what_langfuse_does_not_keep_is_unknown(imports: Imports) -> None:
    """Tools, documents, the runtime, and instructions that are not among the messages."""
    taken(imports, trace(generation(input=[{"role": "user", "content": "x"}], modelParameters={})))
    run = imports.only().run
    assert run is not None
    assert {name for name, slot in run.slots.items() if slot is UNKNOWN} == {"prompt", "parameters", "tools", "documents", "runtime"}


@pytest.mark.parametrize(
    ("given", "prompt", "count"),
    [
        ({"messages": [SYSTEM, {"role": "user", "content": "u"}], "tools": [{"name": "t"}]}, [SYSTEM], 1),
        ({"system": "s", "messages": [{"role": "user", "content": "u"}]}, "s", 1),
        ("Write a poem.", "Write a poem.", 0),
        ({"prompt": "p"}, {"prompt": "p"}, 0),
    ],
)  # fmt: skip
def test_inputs_of_every_shape_have_a_place(imports: Imports, given: Any, prompt: Any, count: int) -> None:
    """Bodies, messages, texts: what is no conversation is the prompt, as it was."""
    taken(imports, trace(generation(input=given)))
    run = imports.only().run
    assert run is not None
    assert run.prompt == prompt
    assert len(run.history if count else []) == count


@pytest.mark.parametrize("given", [ANSWERED, ANSWERED["choices"][0], [{"role": "assistant", "content": "Four."}]])  # type: ignore[index]
def test_outputs_of_every_shape_are_messages(imports: Imports, given: Any) -> None:
    """A body, a choice or a list of messages."""
    taken(imports, trace(generation(output=given)))
    assert [message["content"] for message in imports.only().output] == ["Four."]


def test_of_generations_inside_one_another_the_innermost_counts(imports: Imports) -> None:
    """An SDK's account of a call that encloses another's is not a second call."""
    taken(imports, trace(generation(id="outer", parentObservationId=None), generation(parentObservationId="outer")))
    assert len(imports.executions()) == 1


def test_lists_of_the_api_and_lines_of_an_export_are_the_same(imports: Imports, elsewhere: Imports) -> None:
    """However the file is built, an observation has one id."""
    taken(imports, {"data": [generation(), generation(id="o2")], "meta": {"page": 1}})
    taken(elsewhere, b"\n".join(json.dumps(generation(id=name)).encode() for name in ("o1", "o2")))
    assert [found.link for found in imports.executions()] == [found.link for found in elsewhere.executions()]


def test_a_failed_generation_is_an_error(imports: Imports) -> None:
    """Its message is a note."""
    taken(imports, trace(generation(level="ERROR", statusMessage="no quota", output=None)))
    found = imports.only()
    assert (found.status, found.notes["error"]) == ("error", "no quota")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"3"])
def test_what_is_no_export_is_named(imports: Imports, data: bytes) -> None:
    """A file without observations is skipped with the reason."""
    assert len(taken(imports, data).skipped) == 1


@pytest.mark.soak
def test_recorded_traces_are_imported(imports: Imports, recordings: Path | None) -> None:
    """Traces of nine frameworks: every generation is taken, and none skipped."""
    if recordings is None:
        pytest.skip("needs recorded traces: give their directory with --data DIR")
    paths = sorted((recordings / "native" / "langfuse").iterdir())
    outcome = import_entries(imports.repo, "langfuse", langfuse.read, [(path.name, path.open("rb")) for path in paths])
    assert (outcome.skipped, outcome.executions) == ((), 16)
