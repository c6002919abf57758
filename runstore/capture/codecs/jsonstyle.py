"""JSON styles: how a JSON text was written, so that the same value can be written the same way again, byte for byte.

A style says what separates items, how deep lines are indented, which characters are escaped and how, and, token by token, what
follows no rule. `render(value, detect(text, value)) == text` holds for every style that `detect` returns.
A style is data (`to_value`, `from_value`): it lies in the wire envelope of an execution and never changes an identity.
Source: docs/spec/wire/README.md, "JSON styles".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from runstore.errors import InvalidInput

_EMPTY: Mapping[Any, Any] = {}


class Style(NamedTuple):
    r"""How a JSON text is written. `indent` None keeps all on one line; `escapes` and the exceptions are for the few that need them.

    `escapes` maps a character to how it is written where that is not how Python writes it; `upper` says that the digits of `\uXXXX`
    are upper case. `tokens` and `gaps` hold what is written otherwise at one place: the text of the n-th token, the space before it.
    """

    item: str = ","
    key: str = ":"
    ascii: bool = False
    indent: str | None = None
    end: str = ""
    upper: bool = False
    escapes: Mapping[str, str] = _EMPTY
    tokens: Mapping[int, str] = _EMPTY
    gaps: Mapping[int, str] = _EMPTY


PRESETS = {
    "compact": Style(),
    "compact-ascii": Style(ascii=True),
    "python": Style(", ", ": ", ascii=True),
    "python-utf8": Style(", ", ": "),
    "indent-2": Style(",", ": ", indent="  "),
}
"""Styles with a name. The name stands in the envelope; adding one is harmless, changing one is a new version of every codec."""

_NAMES = {style[:6]: name for name, style in PRESETS.items()}
_START = re.compile(r'[{\[](\s*)(?:"(?:[^"\\]|\\.)*"(\s*:\s*))?')
_TOKEN = re.compile(r'([ \t\n\r]*)([{}\[\],:]|"(?:[^"\\]|\\.)*"|[^ \t\n\r{}\[\],:"]+)')
_PIECE = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_HIGH_ASCII = re.compile(r"\\u[0-9a-f]{4}")
_MAX_EXCEPTIONS = 1 / 8  # of the text: a style that says more about the text than this is not worth having
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b"}
_FROM_SHORT = {'"': '"', "\\": "\\", "/": "/", "n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b"}


def detect(text: str, value: Any) -> Style | None:
    """Return the style that writes this value as this text, or None if no style does. The text is JSON; the value may differ from it."""
    base = _base(text)
    try:
        written = _encoded(value, base)
        if written == text:
            return base
        written = _surrogates(written, base)
        if not base.ascii and "\\u" in text:
            other = base._replace(ascii=True)
            again = _plain(value, other)
            if again == text:
                return other
            if "\\u" in again and text.isascii():
                base, written = other, again
        return _with_exceptions(text, written, value, base)
    except (ValueError, TypeError, RecursionError):
        return None  # an integer too long for Python to spell, a depth it cannot follow, something that is no JSON


def render(value: Any, style: Style) -> str:
    """Return the JSON text of a value in a style. Raises InvalidInput for what is no JSON value, or exceptions that do not fit."""
    try:
        text = _styled(value, style)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"no JSON can be written of this value: {error}", kind="bad-json") from error
    if style.tokens or style.gaps:
        return _apply(text, style)
    return text


def to_value(style: Style) -> Any:
    """Return a style as data: the name of a preset, or a map of what differs from the style `compact`."""
    name = _NAMES.get(style[:6]) if not (style.escapes or style.tokens or style.gaps) else None
    if name is not None:
        return name
    stated: dict[str, Any] = {}
    for field in ("item", "key", "ascii", "indent", "end", "upper"):
        if getattr(style, field) != getattr(PRESETS["compact"], field):
            stated[field] = getattr(style, field)
    if style.escapes:
        stated["escapes"] = dict(style.escapes)
    for field in ("tokens", "gaps"):
        exceptions: Mapping[int, str] = getattr(style, field)
        if exceptions:
            stated[field] = [[at, text] for at, text in exceptions.items()]
    return stated


def from_value(value: Any) -> Style:
    """Return the style that data states. Raises InvalidInput for what states none."""
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    kinds: dict[str, Any] = {
        "item": str,
        "key": str,
        "ascii": bool,
        "indent": str,
        "end": str,
        "upper": bool,
        "escapes": dict,
        "tokens": list,
        "gaps": list,
    }
    if not isinstance(value, dict) or any(key not in kinds or not isinstance(part, kinds[key]) for key, part in value.items()):
        raise InvalidInput(f"{value!r:.80} is no JSON style", kind="bad-style")
    stated = dict(value)
    try:
        for field in ("tokens", "gaps"):
            if field in stated:
                stated[field] = {int(at): str(text) for at, text in stated[field]}
        return Style(**stated)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{value!r:.80} is no JSON style", kind="bad-style") from error


def _base(text: str) -> Style:
    """Guess the separators from the first line and the end of a text."""
    start = _START.match(text)
    end = text[len(text.rstrip(" \t\n\r")) :]
    if start is None:
        return Style(end=end)
    pad, key = start.group(1), start.group(2) or ":"
    if "\n" in pad:
        return Style(",", key, indent=pad.rpartition("\n")[2], end=end)
    spaced = key.endswith(" ") or (start.group(2) is None and ", " in text)
    # Without evidence either way, what most clients do: Python's json escapes beyond ASCII, those that write compactly do not.
    return Style(", " if spaced else ",", key, ascii=spaced and text.isascii(), end=end)


@lru_cache(maxsize=64)
def _encoder(item: str, key: str, ascii: bool, indent: str | None) -> json.JSONEncoder:
    return json.JSONEncoder(check_circular=False, separators=(item, key), ensure_ascii=ascii, indent=indent)


def _plain(value: Any, style: Style) -> str:
    """Write a value by the rules that Python's encoder knows; lone surrogates are escaped always."""
    return _surrogates(_encoded(value, style), style)


def _encoded(value: Any, style: Style) -> str:
    text = _encoder(style.item, style.key, style.ascii, style.indent).encode(value)
    return text + style.end if style.end else text


def _surrogates(text: str, style: Style) -> str:
    if style.ascii or text.isascii():
        return text
    try:
        text.encode("utf-8")  # an eighth of the time of a search
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


def _styled(value: Any, style: Style) -> str:
    text = _plain(value, style)
    if style.upper or style.escapes:
        pieces = [gap + (_respell(token, style) if token[0] == '"' else token) for gap, token in _TOKEN.findall(text)]
        return "".join(pieces) + style.end
    return text


def _respell(token: str, style: Style) -> str:
    """Write a string token with the escapes of a style."""
    if style.upper:
        token = _HIGH_ASCII.sub(lambda found: "\\u" + found[0][2:].upper() if not _escaped(token, found.start()) else found[0], token)
    if not style.escapes:
        return token
    inner = [style.escapes.get(_meaning(piece), piece) for piece in _PIECE.findall(token[1:-1])]
    return '"' + "".join(inner) + '"'


def _escaped(token: str, at: int) -> bool:
    """True if the backslash at a place is itself escaped."""
    return (at - len(token[:at].rstrip("\\"))) % 2 == 1


def _meaning(piece: str) -> str:
    """Return the character (or half of one) that a piece of a string token stands for."""
    if len(piece) == 1:
        return piece
    return chr(int(piece[2:], 16)) if piece[1] == "u" else _FROM_SHORT.get(piece[1], piece)


def _with_exceptions(text: str, written: str, value: Any, base: Style) -> Style | None:
    """Return the style that writes `text`, given what the base style wrote; None if they are not the same tokens."""
    wanted, given = _TOKEN.findall(text), _TOKEN.findall(written)
    if len(wanted) != len(given):
        return None
    differing = [at for at, (one, other) in enumerate(zip(wanted, given, strict=True)) if one[1] != other[1]]
    if differing:
        style = _spelling([(wanted[at][1], given[at][1]) for at in differing if wanted[at][1][0] == '"' == given[at][1][0]], base)
        if style is not base:
            base, written = style, _styled(value, style)
            given = _TOKEN.findall(written)
    tokens = {at: one[1] for at, (one, other) in enumerate(zip(wanted, given, strict=True)) if one[1] != other[1]}
    gaps = {at: one[0] for at, (one, other) in enumerate(zip(wanted, given, strict=True)) if one[0] != other[0]}
    if sum(map(len, tokens.values())) + sum(map(len, gaps.values())) + 4 * (len(tokens) + len(gaps)) > 64 + len(text) * _MAX_EXCEPTIONS:
        return None
    if any(not _same(wanted[at][1], given[at][1]) for at in tokens):
        return None
    style = base._replace(tokens=tokens, gaps=gaps)
    return style if _apply(written, style) == text else None


def _same(one: str, other: str) -> bool:
    """True if two tokens mean the same, so that an exception never hides another value."""
    try:
        first, second = json.loads(one), json.loads(other)
    except ValueError:
        return False
    return bool(first == second and type(first) is type(second))


def _spelling(pairs: list[tuple[str, str]], base: Style) -> Style:
    """Return the base with the escapes that explain these tokens: (as wanted, as the base writes them)."""
    escapes: dict[str, str] = {}
    upper = base.ascii and any(re.search(r"\\u[0-9a-f]*[A-F]", one) for one, _ in pairs)
    for wanted, _ in pairs:
        for piece in _PIECE.findall(wanted[1:-1]):
            char = _meaning(piece)
            if len(char) == 1 and piece != _default(char, base.ascii, upper) and not "\ud800" <= char <= "\udfff":
                escapes.setdefault(char, piece)
    return base._replace(upper=upper, escapes=escapes) if upper or escapes else base


def _default(char: str, ascii: bool, upper: bool) -> str:
    """Return how Python's encoder writes one character of a string."""
    if char in _SHORT:
        return _SHORT[char]
    if char < " " or (ascii and char > "~"):
        return f"\\u{ord(char):04X}" if upper else f"\\u{ord(char):04x}"
    return char


def _apply(text: str, style: Style) -> str:
    """Put the exceptions of a style into a text that follows its rules."""
    found = _TOKEN.findall(text)
    if any(not 0 <= at < len(found) for at in (*style.tokens, *style.gaps)):
        raise InvalidInput("the exceptions of a JSON style do not fit this value", kind="bad-style")
    pieces = [style.gaps.get(at, gap) + style.tokens.get(at, token) for at, (gap, token) in enumerate(found)]
    return "".join(pieces) + style.end
