"""JSON text to values and back.

A number with `.`, `e` or `E` is a float, any other an int of any size; keys are compared after unescaping and duplicates are an
error, as are NaN and infinities; a byte order mark and other encodings than UTF-8 are refused. Errors name line and column.
Source: docs/spec/identity.md, "From JSON text".
"""

from __future__ import annotations

import json
import re
from typing import Any

from runstore.errors import InvalidInput
from runstore.model.encoding import pack_plain
from runstore.model.ids import Link
from runstore.model.jsonscan import Scanner
from runstore.model.limits import MAX_DEPTH, MAX_DIGITS
from runstore.model.scalars import SAFE_DIGITS, digits_of, parse_digits

WRAPPED_DEPTH = MAX_DEPTH + 8
"""Room for a value of full depth inside the objects that a text wraps around it; `encode` measures each value."""

WRAPPED_NODES = 4_000_000

_SURROGATE = re.compile("[\ud800-\udfff]")


class _Distrust(Exception):
    """Something that the exact reader has to look at."""


def parse_json(text: str | bytes, *, max_depth: int = WRAPPED_DEPTH, max_nodes: int = WRAPPED_NODES) -> Any:
    """Return the value of a JSON text. Raises InvalidInput with line and column, or LimitExceeded.

    What comes back is made of None, bool, int, float, str, list and dict, with lone surrogates where the text escapes them.
    """
    text = _text(text)
    scanner = Scanner(text, max_depth=max_depth, max_nodes=max_nodes)
    if _too_many(text, max_nodes):
        return scanner.read()
    try:
        value = _decode(text)
    except (ValueError, RecursionError, _Distrust):
        return scanner.read()
    # What has no short depth is read again: the exact reader counts arrays and objects, and refuses where it has to.
    return value if _shallow(value, max_depth) else scanner.read()


def parse_json_line(line: bytes) -> Any:
    """As `parse_json`, of one line of many: errors name the column, and who counts the lines puts the line before it."""
    try:
        return parse_json(line)
    except InvalidInput as error:
        raise type(error)(str(error).removeprefix("line 1, "), hint=error.hint, kind=error.kind) from error


def _text(text: str | bytes) -> str:
    if isinstance(text, str):
        bad = _SURROGATE.search(text) if not text.isascii() else None
        if bad is None:
            return text
        raise InvalidInput(f"the text holds the surrogate U+{ord(bad[0]):04X}, which has no UTF-8", kind="bad-json")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise InvalidInput(f"line {line}, byte {column}: not UTF-8 ({error.reason})", kind="bad-json") from error


def _too_many(text: str, max_nodes: int) -> bool:
    """True if the text may hold more values than allowed: no more than one for each sign that begins or separates one."""
    return len(text) > max_nodes and 1 + sum(map(text.count, ",:[{")) > max_nodes


def _shallow(value: Any, max_depth: int) -> bool:
    level = [value]
    for _ in range(max_depth + 1):
        level = [child for item in level if type(item) in (dict, list) for child in (item.values() if type(item) is dict else item)]
        if not level:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Distrust
    return found


def _int(digits: str) -> int:
    if len(digits) <= SAFE_DIGITS:
        return int(digits)
    if len(digits) > MAX_DIGITS:  # a sign may be among them: the exact reader tells
        raise _Distrust
    return parse_digits(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise _Distrust
    return number


def _constant(name: str) -> Any:
    raise _Distrust


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant).decode


def render_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON text for people and programs: keys in their order, links as {"$link": "kind:hex"}.

    Without `indent` it is one line without spaces. Integers keep all digits, lone surrogates are escaped, and what is not ASCII
    stands as it is. Two different values can have one text (a link, and a map of that form).
    """
    if pack_plain(value) is None:
        text = _render(value, None if indent is None else "\n", " " * (indent or 0))
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=(",", ":") if indent is None else (",", ": "))
    return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _render(value: Any, line: str | None, step: str) -> str:
    """Render what `json` does not know: links and integers of any size. Its depth of calls is the depth of the value."""
    if isinstance(value, Link):
        value = {"$link": str(value)}
    below = None if line is None else line + step
    if isinstance(value, dict):
        colon = ":" if line is None else ": "
        return _bracket("{", [f"{_quote(key)}{colon}{_render(item, below, step)}" for key, item in value.items()], "}", line, step)
    if isinstance(value, list | tuple):
        return _bracket("[", [_render(item, below, step) for item in value], "]", line, step)
    if isinstance(value, int) and not isinstance(value, bool):
        return digits_of(value).decode("ascii")
    return json.dumps(value, ensure_ascii=False)


def _bracket(left: str, items: list[str], right: str, line: str | None, step: str) -> str:
    if not items or line is None:
        return left + ",".join(items) + right
    return left + line + step + f",{line}{step}".join(items) + line + right


_quote = json.encoder.encode_basestring
