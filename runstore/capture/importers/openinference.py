"""The attributes of OpenInference (Arize Phoenix and others): messages spelled out by numbered names. Pure.

Source: https://arize-ai.github.io/openinference/spec/semantic_conventions.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runstore.capture.codecs.media import lift
from runstore.capture.importers.told import conversation, stated, unpacked

_KINDS = frozenset(("LLM", "EMBEDDING"))


def told(attributes: Mapping[str, Any], events: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return slots and fields of a span that is a call of a model; None for any other."""
    if attributes.get("openinference.span.kind") not in _KINDS:
        return None
    messages = [_message(each.get("message", {})) for each in _listed(attributes, "llm.input_messages")]
    answers = [_message(each.get("message", {})) for each in _listed(attributes, "llm.output_messages")]
    slots: dict[str, Any] = conversation(messages, without=None) if messages else {}
    if not messages:
        slots = _prompted(attributes)
    parameters = unpacked(attributes.get("llm.invocation_parameters") or attributes.get("embedding.invocation_parameters"))
    asked_for = attributes.get("llm.request.model_name") or attributes.get("llm.model_name") or attributes.get("embedding.model_name")
    tools = [unpacked(each["tool"]["json_schema"]) for each in _listed(attributes, "llm.tools") if "json_schema" in each.get("tool", {})]
    model = stated({"name": asked_for, "provider": attributes.get("llm.provider") or attributes.get("llm.system")})
    found = {
        "model": model or None,
        "parameters": _settings(parameters),
        "tools": tools or None,
        "runtime": {"model": attributes["llm.response.model_name"]} if attributes.get("llm.response.model_name") else None,
        **slots,
    }
    return found, _fields(attributes, answers)


def _settings(parameters: Any) -> Any:
    """Return what was sent of the settings; what other attributes tell is left out."""
    if not isinstance(parameters, dict):
        return None
    return {key: value for key, value in parameters.items() if key not in ("model", "messages", "tools", "stream")} or None


def _prompted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a call without messages: prompts of a completion, texts to embed, or the input as it was."""
    prompts = [each["prompt"]["text"] for each in _listed(attributes, "llm.prompts") if "text" in each.get("prompt", {})]
    texts = [each["embedding"]["text"] for each in _listed(attributes, "embedding.embeddings") if "text" in each.get("embedding", {})]
    given = prompts or texts or unpacked(attributes.get("input.value"))
    return {} if given in (None, []) else {"prompt": lift(given)}


def _fields(attributes: Mapping[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {key.removeprefix("llm.token_count."): value for key, value in attributes.items() if key.startswith("llm.token_count.")}
    output: Any = answers or unpacked(attributes.get("output.value"))
    return {"output": lift(output) if output else None, "usage": usage or None, "session": attributes.get("session.id")}


def _message(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as APIs have it: role, content (a text or parts), calls."""
    calls = []
    for each in held.get("tool_calls") or []:
        call = each.get("tool_call", {})
        calls.append(stated({"id": call.get("id"), "type": "function", "function": call.get("function")}))
    parts = [_part(each.get("message_content", {})) for each in held.get("contents") or []]
    found = {key: value for key, value in held.items() if key not in ("tool_calls", "contents")}
    if parts:
        found["content"] = parts
    return found | ({"tool_calls": calls} if calls else {})


def _part(held: Mapping[str, Any]) -> dict[str, Any]:
    image = held.get("image")
    url = image.get("image", {}).get("url") if isinstance(image, Mapping) else None
    return {"type": "image_url", "image_url": {"url": url}} if url is not None else dict(held)


def _listed(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the maps that numbered attributes spell: `llm.input_messages.0.message.role` and the like."""
    tree: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(prefix + "."):
            at = tree
            *steps, last = key.removeprefix(prefix + ".").split(".")
            for step in steps:
                inner = at.setdefault(step, {})
                at = inner if isinstance(inner, dict) else at.setdefault(step + ".", {})
            at[last] = value
    found = _counted(tree)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _counted(tree: Any) -> Any:
    """Return maps whose keys are all numbers as lists."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(key.isdigit() for key in tree):
        return [_counted(tree[key]) for key in sorted(tree, key=int)]
    return {key: _counted(value) for key, value in tree.items()}
