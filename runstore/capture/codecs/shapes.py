"""Shapes of messages: the form in which the next request's history will carry an answer, so that the two are one object.

What an answer states beside that (empty fields, defaults, positions) is set apart, and `restore` puts it back.
Source: docs/spec/wire/README.md, "Output".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Apart = tuple[Any, Any]
"""A value, and what was set apart from it: None for nothing, else a map or a list of the same places."""

_NOTHING: Mapping[str, Any] = {}
_DEFAULTS: tuple[Any, ...] = (None, [], "completed")
_ARGUMENTS = frozenset(("input", "args", "arguments", "parameters"))
_SIGNATURES = frozenset(("thoughtSignature", "thought_signature"))
_TO_URL, _TO_PLAIN = str.maketrans("+/", "-_"), str.maketrans("-_", "+/")
# What is set apart for a signature in the other alphabet, a text made a list of one part, and a null made an empty array.
_ALPHABET, _TEXT, _NULL = "base64", "text", "null"
_CALLS = ("tool_calls", "function_call")
_BLOCK_CALLS = frozenset(("tool_use", "server_tool_use", "functionCall", "function_call", "toolUse"))


def ordered(value: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Return a map with these keys first, the others after them as they came."""
    found = {key: value[key] for key in order if key in value}
    found.update((key, item) for key, item in value.items() if key not in found)
    return found


def clean(
    message: Mapping[str, Any], order: Sequence[str], kept: Sequence[str] = (), defaults: Mapping[str, Any] = _NOTHING
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the message in canonical order without empty fields and defaults, those fields). Fields in `kept` stay."""
    out = ordered(message, order)
    left = {
        key: value for key, value in out.items() if key not in kept and (is_empty(value) or (key in defaults and value == defaults[key]))
    }
    for key in left:
        del out[key]
    return out, left


def fit(message: Any, left: dict[str, Any], examples: Any) -> tuple[Any, dict[str, Any]]:
    """Return a message, and what is set apart from it, in the shape that a client gives its messages: that of the last alike in `examples`.

    Only what says the same is changed: the order of keys, a field that is empty or a default and that the client leaves out or sends,
    a text alone or as a list of one part, the alphabet of a signature. Without an example both are returned as they are.
    """
    if not isinstance(message, dict) or not isinstance(examples, list):
        return message, left
    same = [each for each in reversed(examples) if isinstance(each, dict) and _speaker(each) == _speaker(message)]
    example: dict[str, Any] | None = next((each for each in same if _calls(each) == _calls(message)), None)
    if example is None:
        return (_in_order(message, same[0]) if same else message), left
    shaped, apart = _fit(message, example)
    content = message.get("content")
    if isinstance(content, str) and content and _is_lone_text(example.get("content")):
        shaped["content"] = [{key: content if key == "text" else part for key, part in example["content"][0].items()}]
        apart = {**(apart or {}), "content": _TEXT}
    left = dict(restore(left, apart))
    for key, item in example.items():
        if is_empty(item) and is_empty(shaped.get(key)):
            was = left.pop(key) if key in left else shaped.get(key, item)
            if was != item:
                left[key] = _NULL if was is None else was
            shaped[key] = item
    return ordered(shaped, [*example]), left


def restore(value: Any, left: Any) -> Any:
    """Put back what was set apart."""
    if left is None:
        return value
    if isinstance(value, Mapping) and isinstance(left, Mapping):
        return {**value, **{key: restore(value[key], item) if key in value else item for key, item in left.items()}}
    if isinstance(value, list) and isinstance(left, list) and len(value) == len(left):
        return [restore(item, other) for item, other in zip(value, left, strict=True)]
    if left == _ALPHABET and isinstance(value, str):
        return value.translate(_TO_PLAIN)
    if left == _TEXT and _is_lone_text(value):
        return value[0]["text"]
    if left == _NULL and is_empty(value):
        return None
    return left if is_empty(value) else value


def is_empty(value: Any) -> bool:
    """True for null and the empty array."""
    return value is None or value == []


def _fit(value: dict[str, Any], example: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    shaped: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for key, item in ordered(value, [*example]).items():
        if key not in example and any(item is default or item == default for default in _DEFAULTS):
            left[key] = item
            continue
        shaped[key], apart = (item, None) if key in _ARGUMENTS else _fit_item(key, item, example.get(key))
        if apart is not None:
            left[key] = apart
    return shaped, left or None


def _fit_item(key: str, item: Any, example: Any) -> Apart:
    if isinstance(item, dict) and isinstance(example, Mapping):
        return _fit(item, example)
    if isinstance(item, list) and isinstance(example, list):
        pairs = [_fit(each, twin) if isinstance(each, dict) and (twin := _twin(each, example)) else (each, None) for each in item]
        apart = [left for _, left in pairs]
        return [each for each, _ in pairs], apart if any(apart) else None
    if (
        key in _SIGNATURES
        and isinstance(item, str)
        and isinstance(example, str)
        and any(mark in item for mark in "+/")
        and any(mark in example for mark in "-_")
    ):
        return item.translate(_TO_URL), _ALPHABET
    return item, None


def _in_order(message: dict[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    return ordered(message, [*example])


def _speaker(message: Mapping[str, Any]) -> Any:
    return message.get("role") if "role" in message else message.get("type")


def _calls(message: Mapping[str, Any]) -> bool:
    """Say whether a message calls tools: those have a shape of their own."""
    if any(message.get(key) for key in _CALLS):
        return True
    blocks = message.get("content") if isinstance(message.get("content"), list) else message.get("parts")
    if not isinstance(blocks, list):
        return False
    return any(isinstance(block, dict) and (block.get("type") in _BLOCK_CALLS or _BLOCK_CALLS & block.keys()) for block in blocks)


def _twin(item: dict[str, Any], examples: list[Any]) -> Mapping[str, Any] | None:
    """Return the example that is of an item's kind: of the same type, and nearest in its keys."""
    alike = [each for each in examples if isinstance(each, dict) and each.get("type") == item.get("type") and each.keys() & item.keys()]
    return max(alike, key=lambda each: len(each.keys() & item.keys()), default=None)


def _is_lone_text(content: Any) -> bool:
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return False
    part = content[0]
    return part.keys() == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str)
