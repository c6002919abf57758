"""What an object holds in a few lines, for tables that people read: its size, and the first lines of its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runstore.cli import safe
from runstore.cli.output import clip, count, display_width, size
from runstore.model.elements import count as count_elements
from runstore.model.elements import element
from runstore.model.encoding import decode
from runstore.model.ids import Kind, Link
from runstore.model.trees import decode_tree
from runstore.query.content import as_json, bytes_line, label_of, readable, role_of, text_of, tool_name
from runstore.query.summary import Tokens

if TYPE_CHECKING:
    from runstore.query.paths import Fetch

_LINES = 3
_UNITS = {"tools": "tool", "documents": "document", "history": "message", "output": "message", "prompt": "message"}
_BY_KEY = ("model", "parameters", "output_format", "extra", "runtime", "environment", "usage", "notes")
_FIRST_KEYS = ("name", "api")
_ROLE_WIDTH = 9
_MOST_ROLE = 20
_READ_CHARACTERS = 4_000
_LARGE = 1 << 64


def measure(slot: str, link: Link, fetch: Fetch) -> str:
    """Return how much a slot holds: the number of its elements, or the bytes of its body."""
    if link.kind == Kind.LIST:
        return count(count_elements(link, fetch), _UNITS.get(slot, "element"))
    return size(len(fetch(link.id).body))


def lines(slot: str, link: Link, fetch: Fetch, width: int) -> list[str]:
    """Return the first lines of what a slot holds, each at most `width` columns and safe for terminals."""
    if link.kind == Kind.LIST:
        return list(_elements(slot, link, fetch, width))
    if link.kind == Kind.TREE:
        return [clip(", ".join(decode_tree(fetch(link.id).body)), width)]
    value = content(link, fetch)
    if isinstance(value, dict) and slot in _BY_KEY:
        return wrap(_settings(value), width, _LINES) if value else ["{}"]
    if isinstance(value, list) and slot == "prompt" and all(role_of(message) for message in value):
        return _prompt(value, width)
    return first_lines(readable(value), width)


def _prompt(messages: list[Any], width: int) -> list[str]:
    if len(messages) == 1:
        return first_lines(f"{role_of(messages[0])}: {text_of(messages[0])}", width)
    return [clip(message_line(message), width) for message in messages[:_LINES]] + _more(len(messages) - _LINES, "message")


def first_lines(text: str, width: int) -> list[str]:
    """Return the first lines of a text that are not empty, and how many more there are."""
    found = [line for line in safe.text(text[:_READ_CHARACTERS]).split("\n") if line.strip()]
    left = sum(1 for line in text.split("\n") if line.strip()) - _LINES
    return [clip(line.strip(), width) for line in found[:_LINES]] + _more(left, "line")


def message_line(message: Any, role_width: int = _ROLE_WIDTH) -> str:
    """Return a message as one line: who speaks, in so many columns, and what."""
    role = safe.line(role_of(message) or "")
    text = safe.line(text_of(message)[:_READ_CHARACTERS])
    return f"{role.ljust(role_width)}  {text}" if role else text


def tokens(found: Tokens) -> str:
    """Return token counts as `812 → 14`, `?` for the one that is not known, nothing where neither is."""
    if found.input is None and found.output is None:
        return ""
    return " → ".join("?" if count is None else str(count) for count in found)


def content(link: Link, fetch: Fetch) -> Any:
    """Return the value of a blob or a value object: bytes, or what is encoded; the bytes where that is the link of a blob."""
    obj = fetch(link.id)
    if obj.kind == Kind.BLOB:
        return obj.body
    value = decode(obj.body)
    return fetch(value.id).body if isinstance(value, Link) and value.kind == Kind.BLOB else value


def wrap(items: Iterable[str], width: int, most: int) -> list[str]:
    """Join items by commas into at most `most` lines that break between items, `…` where some are left out."""
    laid: list[str] = []
    at = ""
    for item in items:
        piece = clip(item, width - 2)
        if not at:
            at = piece
        elif display_width(at) + display_width(piece) + 4 <= width:
            at += ", " + piece
        elif len(laid) + 1 == most:
            at = clip(at, width - 3) + ", …"
            break
        else:
            laid.append(at + ",")
            at = piece
    return [*laid, at]


def wrap_words(text: str, width: int) -> list[str]:
    """Break a text into lines between words."""
    laid = [""]
    for word in text.split():
        if laid[-1] and display_width(laid[-1]) + 1 + display_width(word) > width:
            laid.append(clip(word, width))
        else:
            laid[-1] = f"{laid[-1]} {clip(word, width)}".lstrip()
    return laid


def _settings(value: dict[str, Any]) -> Iterator[str]:
    keys = [key for key in _FIRST_KEYS if key in value] + [key for key in value if key not in _FIRST_KEYS]
    for key in keys:
        item = value[key]
        yield safe.line(item if key == "name" and isinstance(item, str) and item else f"{key}={plain(item)}")


def plain(item: Any) -> str:
    """Return a setting as people write it: a text as it is, unless that could be misread, all else as JSON."""
    if isinstance(item, str) and item and item == item.strip():
        return item
    # The common numbers need no JSON renderer, which a short command would load for them alone.
    return repr(item) if type(item) in (int, float) and abs(item) < _LARGE else as_json(item)


def _elements(slot: str, link: Link, fetch: Fetch, width: int) -> Iterator[str]:
    number = count_elements(link, fetch)

    def at(index: int) -> Any:
        return content(element(link, index, fetch), fetch)

    if slot == "tools":
        yield from wrap((safe.line(tool_name(at(index)) or "(no name)") for index in range(min(number, 100))), width, _LINES)
        return
    shown: Sequence[int] = range(number) if number <= _LINES + 1 else (0, number - 2, number - 1) if slot == "history" else range(_LINES)
    digits = len(str(max(number - 1, 0)))
    values = {index: at(index) for index in shown}
    roles = max([_ROLE_WIDTH, *(min(len(role_of(value) or ""), _MOST_ROLE) for value in values.values())])
    before = -1
    for index, value in values.items():
        if index > before + 1:
            yield from _more(index - before - 1, "")
        before = index
        yield clip(f"{str(index).rjust(digits)}  {_element_line(slot, value, roles)}", width)
    yield from _more(number - before - 1, "")


def _element_line(slot: str, value: Any, roles: int) -> str:
    if isinstance(value, bytes):
        return safe.line(bytes_line(value)[:_READ_CHARACTERS])
    if slot == "documents":
        label = safe.line(label_of(value))
        text = safe.line(text_of(value)[:_READ_CHARACTERS])
        return f"{label}: {text}" if label else text
    return message_line(value, roles)


def _more(number: int, thing: str) -> list[str]:
    if number <= 0:
        return []
    return [f"… {count(number, 'more ' + thing)}" if thing else f"… {number:,} more"]
