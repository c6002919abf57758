"""OpenTelemetry traces in OTLP JSON, with each of the conventions that name calls of models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runstore.capture.importers import otlp
from runstore.model.trees import UNKNOWN
from runstore.runs.view import ExecutionView
from tests.capture.importers.conftest import Imports

TRACE = "5b8efff798038103d269b633813fc60c"


def value(plain: Any) -> dict[str, Any]:
    """Return OTLP's AnyValue of a plain value."""
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    if isinstance(plain, list):
        return {"arrayValue": {"values": [value(each) for each in plain]}}
    if isinstance(plain, dict):
        return {"kvlistValue": {"values": named(plain)}}
    return {"stringValue": plain}


def named(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP has them."""
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def span(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a span."""
    times = {"startTimeUnixNano": "1770023640000000000", "endTimeUnixNano": "1770023641500000000"}
    return {
        "traceId": TRACE,
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "kind": 3,
        **times,
        "attributes": named(attributes),
        "status": {},
        **more,
    }


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    """Return an export of spans."""
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def taken(imports: Imports, *values: Any) -> ExecutionView:
    """Import a file of these lines; return the one execution."""
    outcome = imports("otlp", otlp.read, ("traces.jsonl", b"\n".join(json.dumps(each).encode() for each in values)))
    assert outcome.skipped == ()
    return imports.only()


GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 10,
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 5,
    "gen_ai.conversation.id": "s-7",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Two and two?"}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Four."}], "finish_reason": "stop"}]),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "add"}]),
}


def test_the_conventions_of_today_are_read(imports: Imports) -> None:
    """Model, instructions, messages, parameters, tools, runtime, usage, session and times."""
    found = taken(imports, export(span(GENAI)))
    assert found.run is not None
    assert found.run.model == {"name": "gpt-4o", "provider": "openai"}
    assert found.run.prompt == [{"type": "text", "content": "Be brief."}]
    assert found.run.parameters == {"temperature": 0.5, "max_tokens": 10}
    assert list(found.run.tools) == [{"type": "function", "name": "add"}]
    assert found.run.runtime == {"model": "gpt-4o-2024-08-06"}
    assert found.output[0]["parts"] == [{"type": "text", "content": "Four."}]
    assert (found.usage, found.response["id"], found.notes["session"]) == ({"input_tokens": 5}, "chatcmpl-1", "s-7")
    assert (found.started, found.ended) == (1_770_023_640_000_000, 1_770_023_641_500_000)
    assert found.run.slots["documents"] is UNKNOWN


def test_details_may_be_an_event_or_a_log_record(imports: Imports, elsewhere: Imports) -> None:
    """Messages that stand beside the span are the same messages."""
    plain = {key: item for key, item in GENAI.items() if "messages" not in key}
    beside = {key: item for key, item in GENAI.items() if "messages" in key}
    event = {"name": "gen_ai.client.inference.operation.details", "attributes": named(beside)}
    record = {"traceId": TRACE, "spanId": "eee19b7ec3c1b174", "eventName": event["name"], "attributes": named(beside)}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert taken(imports, export(span(plain, events=[event]))).link == taken(elsewhere, export(span(plain)), logs).link


def test_events_of_older_conventions_are_messages(imports: Imports) -> None:
    """A message each, and a choice."""
    events = [
        {"name": "gen_ai.system.message", "attributes": named({"content": "Be brief."})},
        {"name": "gen_ai.user.message", "attributes": named({"content": "Two and two?"})},
        {"name": "gen_ai.choice", "attributes": named({"index": 0, "message": json.dumps({"content": "Four."})})},
    ]
    found = taken(imports, export(span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, events=events)))
    assert found.run is not None
    assert list(found.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert list(found.output) == [{"role": "assistant", "content": "Four."}]


def test_numbered_prompts_and_completions_are_messages(imports: Imports) -> None:
    """As OpenLLMetry spells them, calls of tools included."""
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Two and two?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.name": "add",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 2}',
    }
    found = taken(imports, export(span(attributes)))
    assert list(found.output) == [{"role": "assistant", "tool_calls": [{"name": "add", "arguments": '{"a": 2}'}]}]


OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.invocation_parameters": '{"model": "gpt-4o", "temperature": 0.5}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "What is this?",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://example.org/x.png",
    "llm.input_messages.10.message.role": "user",
    "llm.input_messages.10.message.content": "Well?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
    "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "look"}}',
    "llm.token_count.prompt": 5,
    "session.id": "s-7",
}


def test_openinference_is_read(imports: Imports) -> None:
    """Numbered attributes become messages with parts and calls, in the order of their numbers."""
    found = taken(imports, export(span(OPENINFERENCE)))
    assert found.run is not None
    assert list(found.run.prompt) == [{"role": "system", "content": "Be brief."}]
    assert [message["content"] for message in found.run.history][1] == "Well?"
    assert found.run.history[0]["content"][1] == {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
    assert found.run.parameters == {"temperature": 0.5}
    assert list(found.output) == [
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}
    ]
    assert (found.usage, found.notes["session"]) == ({"prompt": 5}, "s-7")


def test_spans_around_a_call_are_its_scope(imports: Imports) -> None:
    """Their names, the outermost first; they are no executions themselves."""
    outer = span({"gen_ai.operation.name": "invoke_agent"}, spanId="aaaaaaaaaaaaaaaa", name="agent")
    found = taken(imports, export(span(GENAI, parentSpanId="aaaaaaaaaaaaaaaa"), outer))
    assert found.notes["scope"] == "agent"


def test_a_failed_span_is_an_error(imports: Imports) -> None:
    """By its status or by `error.type`."""
    found = taken(imports, export(span({**GENAI, "error.type": "rate_limit"}, status={"code": 2, "message": "too many"})))
    assert (found.status, found.notes["error"]) == ("error", "too many")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"resourceSpans": 3}'])
def test_what_is_no_export_is_named(imports: Imports, data: bytes) -> None:
    """A file that is none is skipped with the reason."""
    assert len(imports("otlp", otlp.read, ("x.json", data)).skipped) == 1


def test_a_bad_span_is_named(imports: Imports) -> None:
    """A span that lacks its form is told by its id."""
    bad = {**span(GENAI), "startTimeUnixNano": "soon", "spanId": "bbbbbbbbbbbbbbbb"}
    outcome = imports("otlp", otlp.read, ("x.json", json.dumps(export(span(GENAI), bad)).encode()))
    assert ([one.place for one in outcome.skipped], outcome.executions) == (["span bbbbbbbbbbbbbbbb"], 1)
