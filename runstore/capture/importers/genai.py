"""The attributes of OpenTelemetry's conventions for generative AI, those of today and of before, and OpenLLMetry's. Pure.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/; OpenLLMetry's `gen_ai.prompt.N` and `gen_ai.completion.N`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runstore.capture.codecs.media import lift
from runstore.capture.importers.told import conversation, stated, unpacked

_CALLS = frozenset(("chat", "text_completion", "generate_content", "embeddings", "completion"))
_PARAMETERS = "gen_ai.request."
_NO_PARAMETERS = frozenset(("model", "stream"))
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_DETAILS = "gen_ai.client.inference.operation.details"
_USAGE = "gen_ai.usage."

Events = Sequence[tuple[str, Mapping[str, Any]]]


def told(attributes: Mapping[str, Any], events: Events) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return slots and fields of a span that is a call of a model; None for any other."""
    operation = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if operation not in _CALLS and not (operation is None and "gen_ai.request.model" in attributes):
        return None
    held = dict(attributes)
    for name, inside in events:
        if name == _DETAILS:
            held |= inside
    asked = unpacked(held.get("gen_ai.input.messages"))
    answered = unpacked(held.get("gen_ai.output.messages"))
    if asked is None:
        asked, answered = _of_events(events)
    if asked is None:
        asked, answered = _numbered(held, "gen_ai.prompt."), _numbered(held, "gen_ai.completion.")
    instructions = unpacked(held.get("gen_ai.system_instructions"))
    slots = conversation(asked, without=None) if isinstance(asked, list) and asked else {}
    if instructions is not None:
        slots["prompt"] = lift(instructions)
    return _slots(held, slots), _fields(held, answered)


def _slots(held: Mapping[str, Any], slots: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        key.removeprefix(_PARAMETERS): value
        for key, value in held.items()
        if key.startswith(_PARAMETERS) and key.removeprefix(_PARAMETERS) not in _NO_PARAMETERS
    }
    tools = unpacked(held.get("gen_ai.tool.definitions"))
    if tools is None:
        tools = [_function(each) for each in _numbered(held, "llm.request.functions.")]
    model = stated({"name": held.get("gen_ai.request.model"), "provider": held.get("gen_ai.provider.name") or held.get("gen_ai.system")})
    served = stated({
        "model": held.get("gen_ai.response.model"),
        "fingerprint": held.get("gen_ai.openai.response.system_fingerprint") or held.get("openai.response.system_fingerprint"),
    })  # fmt: skip
    found = {
        "model": model or None,
        "parameters": parameters or None,
        "tools": tools if isinstance(tools, list) and tools else None,
        "runtime": served or None,
        **slots,
    }
    if held.get("gen_ai.output.type"):
        found["parameters"] = {**parameters, "output_type": held["gen_ai.output.type"]}
    return found


def _fields(held: Mapping[str, Any], answered: Any) -> dict[str, Any]:
    usage = {key.removeprefix(_USAGE): value for key, value in held.items() if key.startswith(_USAGE)}
    response = stated({"id": held.get("gen_ai.response.id"), "finish_reasons": held.get("gen_ai.response.finish_reasons")})
    return {
        "output": lift(answered) if answered else None,
        "usage": usage or None,
        "response": response or None,
        "session": held.get("gen_ai.conversation.id") or held.get("session.id"),
    }


def _of_events(events: Events) -> tuple[list[Any] | None, list[Any] | None]:
    """Return what the events of older conventions tell: a message each, and a choice."""
    asked, answered = [], []
    for name, inside in events:
        kept = {key: unpacked(value) for key, value in inside.items() if key not in ("event.name", "gen_ai.system") and value is not None}
        if name in _ROLES:
            asked.append({"role": kept.pop("role", _ROLES[name]), **kept})
        elif name == "gen_ai.choice":
            message = kept.get("message")
            answered.append({"role": "assistant", **(message if isinstance(message, dict) else {"content": message})})
    return (asked, answered) if asked or answered else (None, None)


def _numbered(held: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the maps that attributes with numbers in their names spell: `gen_ai.prompt.0.role` and the like."""
    found: dict[int, dict[str, Any]] = {}
    for key, value in held.items():
        number, _, rest = key.removeprefix(prefix).partition(".")
        if key.startswith(prefix) and number.isdigit() and rest:
            found.setdefault(int(number), {})[rest] = value
    return [_nested(found[number]) for number in sorted(found)]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose calls are numbered too as one that holds a list of them."""
    calls = _numbered(flat, "tool_calls.")
    plain = {key: unpacked(value) if key == "content" else value for key, value in flat.items() if not key.startswith("tool_calls.")}
    return plain | ({"tool_calls": calls} if calls else {})


def _function(each: Mapping[str, Any]) -> dict[str, Any]:
    return {key: unpacked(value) for key, value in each.items()}
