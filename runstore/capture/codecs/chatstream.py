"""The deltas of a chat stream, put together to one message: texts joined, calls by their index, the rest as last said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runstore.capture.codecs.media import from_base64, unlift

JOINED = frozenset(
    ("content", "refusal", "reasoning", "reasoning_content", "thinking", "arguments", "transcript", "text", "summary", "tool_plan")
)
"""Fields whose texts are parts of one text."""

_LISTED = frozenset(("tool_calls", "reasoning_details"))


def add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add one delta to a message, in place."""
    for key, value in delta.items():
        if key in _LISTED and isinstance(value, list):
            _add_listed(message, key, value)
        elif key == "audio" and isinstance(value, Mapping):
            _add_audio(message, value)
        elif key == "content" and (isinstance(value, list) or isinstance(message.get(key), list)):
            message[key] = _joined_parts(message.get(key), value)
        elif isinstance(value, Mapping) and isinstance(message.get(key), dict):
            add_delta(message[key], value)
        elif isinstance(value, Mapping):
            message[key] = {}
            add_delta(message[key], value)
        elif isinstance(value, list) and isinstance(message.get(key), list):
            message[key] = message[key] + value
        elif isinstance(value, str) and key in JOINED and isinstance(message.get(key), str):
            message[key] += value
        elif value is not None or key not in message:
            message[key] = value


def finish(message: dict[str, Any]) -> None:
    """Take the indexes out that told the calls apart."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [{name: item for name, item in call.items() if name != "index"} for call in calls]


def _add_listed(message: dict[str, Any], key: str, parts: list[Any]) -> None:
    """Add parts of list items: by index, or, from servers that send none, by id."""
    items: list[dict[str, Any]] = message[key] if isinstance(message.get(key), list) else []
    message[key] = items
    for part in parts:
        if isinstance(part, Mapping):
            item = _item(items, part)
            if item is None:
                item = {}
                items.append(item)
            add_delta(item, part)


def _item(items: list[dict[str, Any]], part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the item that a part belongs to, the last one first; None if it begins a new one."""
    return next((item for item in reversed(items) if _is_of(item, part)), None)


def _is_of(item: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    if part.get("index") is None:
        return part.get("id") in (None, "", item.get("id"))
    return item.get("index") == part["index"] and (part.get("type") is None or item.get("type") in (None, part["type"]))


def _add_audio(message: dict[str, Any], value: Mapping[str, Any]) -> None:
    audio = message.get("audio")
    if not isinstance(audio, dict):
        audio = message["audio"] = {}
    for key, part in value.items():
        if key == "data" and isinstance(part, str) and isinstance(audio.get("data"), str):
            first, second = from_base64(audio["data"]), from_base64(part)
            both = isinstance(first, bytes) and isinstance(second, bytes)
            audio["data"] = unlift(first + second) if both else audio["data"] + part  # type: ignore[operator]
        elif key == "transcript" and isinstance(part, str) and isinstance(audio.get(key), str):
            audio[key] += part
        elif part is not None or key not in audio:
            audio[key] = part


def _joined_parts(kept: Any, more: Any) -> Any:
    """Join contents that are lists of parts (Mistral): neighbours of one type are one part."""
    parts: list[Any] = []
    for part in (*_parts(kept), *_parts(more)):
        last = parts[-1] if parts else None
        if isinstance(last, dict) and isinstance(part, dict) and last.get("type") == part.get("type") and last.keys() == part.keys():
            parts[-1] = _joined_part(last, part)
        else:
            parts.append(part)
    return parts


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def _joined_part(last: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    joined = dict(part)
    for key, value in last.items():
        if isinstance(value, str) and isinstance(part[key], str) and key in JOINED:
            joined[key] = value + part[key]
        elif isinstance(value, list) and isinstance(part[key], list):
            joined[key] = _joined_parts(value, part[key])
    return {key: joined[key] for key in last}
