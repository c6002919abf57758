"""Content as text for people: messages, blocks, tool calls and documents in the shapes of the common APIs. Pure.

Nothing here is exact or part of identity: a shape that is not known is shown as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runstore.model.ids import Link

_TEXT_KEYS = (
    "text",
    "content",
    "parts",
    "message",
    "output",
    "summary",
    "thinking",
    "refusal",
    "reasoning_content",
    "response",
    "result",
    "json",
)
_CALL_TYPES = ("tool_use", "function_call", "server_tool_use")
_CALL_KEYS = ("function", "functionCall", "function_call", "toolUse", "tool_use")
_RESULT_KEYS = ("functionResponse", "function_response", "toolResult")
_MEDIA = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "video": "video",
    "document": "document",
    "file": "file",
    "input_file": "file",
    "inlineData": "data",
    "inline_data": "data",
    "fileData": "file",
    "file_data": "file",
}


def text_of(value: Any) -> str:
    """Return the text of a value: a message's content, the texts of its blocks, its tool calls as `name(arguments)`; else JSON."""
    return "\n".join(piece for piece in pieces(value) if piece)


def pieces(value: Any) -> Iterator[str]:
    """Yield the texts of a value in reading order, without recursion."""
    stack: list[Any] = [value]
    while stack:
        at = stack.pop()
        if isinstance(at, str):
            yield at
        elif isinstance(at, list):
            stack.extend(reversed(at))
        elif isinstance(at, dict):
            known = _known_parts(at)
            if known is None:
                yield as_json(at)
            else:
                stack.extend(reversed(known))
        elif at is not None:
            yield _scalar(at)


def role_of(value: Any) -> str | None:
    """Return who speaks in a message: its `role`, or the `type` of an item that has none; None for what is no message."""
    if not isinstance(value, dict):
        return None
    for key in ("role", "type"):
        if isinstance(value.get(key), str):
            return str(value[key])
    return None


def tool_name(tool: Any) -> str | None:
    """Return the name of a tool definition (OpenAI, Anthropic, Gemini with one function, Bedrock); None where it states none."""
    names = tool_names(tool)
    return names[0] if len(names) == 1 else ", ".join(names) or None


def tool_names(tool: Any) -> list[str]:
    """Return the names in one element of `tools`: one, or several where Gemini groups its function declarations."""
    if not isinstance(tool, dict):
        return []
    for key in ("functionDeclarations", "function_declarations"):
        if isinstance(tool.get(key), list):
            return [name for declared in tool[key] for name in tool_names(declared)]
    for inner in (tool, tool.get("function"), tool.get("toolSpec")):
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return [inner["name"]]
    if isinstance(tool.get("type"), str):
        return [tool["type"]]
    # Gemini's hosted tools are maps with one key: {"googleSearch": {}}.
    return list(tool) if len(tool) == 1 else []


def readable(value: Any) -> str:
    """Return a value as lines for people: text as it is, messages as their role above their text, all else as indented JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return bytes_line(value)
    parts = value if isinstance(value, list) else [value]
    if parts and all(isinstance(each, dict) and (role_of(each) is not None or "content" in each or "text" in each) for each in parts):
        return "\n".join(_message(each) for each in parts)
    return as_json(value, indent=2)


def _message(value: dict[str, Any]) -> str:
    role = role_of(value)
    text = text_of(value)
    return text if role in (None, "text") else f"[{role}]\n{text}"


def label_of(document: Any) -> str:
    """Return what a document calls itself: its title, name, id or source; empty if it states none."""
    if isinstance(document, dict):
        for key in ("title", "name", "id", "source", "path", "filename", "url", "uri"):
            if isinstance(document.get(key), (str, int)):
                return str(document[key])
        for inner in ("metadata", "meta"):
            if isinstance(document.get(inner), dict):
                return label_of(document[inner])
    return ""


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON for people."""
    from runstore.model.jsontext import render_json

    return render_json(value, indent=indent)


def one_line(text: str, width: int) -> str:
    """Return the start of a text on one line of at most `width` characters, `…` where it was cut."""
    line = " ".join(text[: 4 * width].split())
    return line if len(line) <= width and len(text) <= 4 * width else line[: width - 1].rstrip() + "…"


def last_line(text: str, width: int) -> str:
    """Return the end of a text on one line of at most `width` characters, `…` where it was cut."""
    line = " ".join(text[-4 * width :].split())
    return line if len(line) <= width and len(text) <= 4 * width else "…" + line[len(line) - width + 1 :].lstrip()


def _known_parts(value: dict[str, Any]) -> list[Any] | None:
    """Return the parts of a map that carry its text, or None if its shape is not known."""
    call = _call(value)
    if call is not None:
        return [call]
    kind = value.get("type")
    if kind in _CALL_TYPES:
        return []  # one whose name was taken away, to be compared by itself
    if isinstance(kind, str) and kind in _MEDIA and "text" not in value:
        return [f"[{_MEDIA[kind]}]"]
    found: list[Any] = [value[key] for key in _TEXT_KEYS if key in value]
    found.extend(value[key] for key in _RESULT_KEYS if key in value)
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        found.extend(calls)
    if not found:
        found.extend(f"[{label}]" for key, label in _MEDIA.items() if key in value and kind is None)
    return found or None


def _call(value: dict[str, Any]) -> str | None:
    kind = value.get("type")
    if (kind in _CALL_TYPES and "name" in value) or ("name" in value and ("arguments" in value or "args" in value)):
        return _written(value)
    for key in _CALL_KEYS:
        inner = value.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return _written(inner)
    return None


def _written(call: dict[str, Any]) -> str:
    arguments = next((call[key] for key in ("arguments", "args", "input", "parameters") if key in call), "")
    return f"{call.get('name')}({arguments if isinstance(arguments, str) else as_json(arguments)})"


def _scalar(value: Any) -> str:
    if isinstance(value, Link):
        return f"[{value.kind.label} {value.hex[:12]}]"
    if isinstance(value, bytes):
        return bytes_line(value)
    return as_json(value)


def bytes_line(data: bytes) -> str:
    """Return what bytes are in a few words: their text if they are UTF-8 without control characters, else their number."""
    text = decoded(data)
    return f"[{len(data)} bytes]" if text is None else text


def decoded(data: bytes) -> str | None:
    """Return bytes as text, or None where they are not UTF-8 text."""
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def strings(value: Any, *, skip: Iterable[str] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every string in a value with its path, in reading order, without recursion; property names of schemas too.

    Strings under a key in `skip` are left out where they are scalars.
    """
    skipped = frozenset(skip)
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, at = stack.pop()
        if isinstance(at, str):
            yield path, at
        elif isinstance(at, list):
            stack.extend(((*path, index), at[index]) for index in range(len(at) - 1, -1, -1))
        elif isinstance(at, dict):
            if path and path[-1] == "properties":
                yield from (((*path, key), key) for key in at)
            stack.extend(((*path, key), at[key]) for key in reversed(at) if not (key in skipped and isinstance(at[key], str)))
