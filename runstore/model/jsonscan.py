"""A JSON reader that knows where it is: slow, without recursion, and exact about line and column.

`jsontext` turns to it for texts that the reader of the standard library refuses or has to be distrusted on, so it decides what
is accepted, and says why something is not.
Source: docs/spec/identity.md, "From JSON text"; RFC 8259.
"""

from __future__ import annotations

import re
from typing import Any

from runstore.errors import InvalidInput, LimitExceeded
from runstore.model.limits import MAX_DIGITS
from runstore.model.scalars import join_surrogates, parse_digits

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Scanner:
    """Reads one text. Use once."""

    def __init__(self, text: str, *, max_depth: int, max_nodes: int) -> None:
        self._text = text
        self._at = 0
        self._max_depth = max_depth
        self._left = max_nodes

    def read(self) -> Any:
        """Return the value of the text. Raises InvalidInput or LimitExceeded with line and column."""
        open_: list[Any] = []  # arrays and objects that are not closed yet
        keys: list[str | None] = []  # the key that waits for a value in each
        while True:
            value, opened = self._start()
            if opened:
                if len(open_) >= self._max_depth:
                    raise self._limit(f"nested deeper than {self._max_depth} arrays and objects")
                self._at += 1
                open_.append(value)
                keys.append(None)
                if not self._close(value):
                    keys[-1] = self._key(value) if isinstance(value, dict) else None
                    continue
                open_.pop()
                keys.pop()
            while open_:
                self._put(open_[-1], keys[-1], value)
                if not self._close(open_[-1]):
                    self._comma(open_[-1])
                    keys[-1] = self._key(open_[-1]) if isinstance(open_[-1], dict) else None
                    break
                value = open_.pop()
                keys.pop()
            else:
                self._space()
                if self._at < len(self._text):
                    raise self.error("something stands behind the value")
                return value

    def error(self, fact: str, at: int | None = None) -> InvalidInput:
        """Return the error for what is wrong at a place, by default where the reader stands."""
        return InvalidInput(f"{self._where(at)}: {fact}", kind="bad-json")

    def _where(self, at: int | None = None) -> str:
        at = self._at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self._text.rfind(chr(10), 0, at)}"

    def _limit(self, fact: str) -> LimitExceeded:
        return LimitExceeded(f"{self._where()}: {fact}", kind="limit-exceeded")

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _start(self) -> tuple[Any, bool]:
        """Return the scalar that stands here, or a new container of the kind that begins here and True."""
        self._count()
        self._space()
        lead = self._text[self._at : self._at + 1]
        if lead == "{":
            return {}, True
        if lead == "[":
            return [], True
        if lead == '"':
            return self._string(), False
        if lead in _WORDS:
            word, value = _WORDS[lead]
            if not self._text.startswith(word, self._at):
                raise self.error(f"no value: {self._text[self._at : self._at + 10]!r}")
            self._at += len(word)
            return value, False
        return self._number(), False

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._limit("more values than one text can hold")

    def _close(self, container: Any) -> bool:
        self._space()
        if self._text.startswith("}" if isinstance(container, dict) else "]", self._at):
            self._at += 1
            return True
        return False

    def _comma(self, container: Any) -> None:
        if not self._text.startswith(",", self._at):
            end = "}" if isinstance(container, dict) else "]"
            raise self.error(f"neither a comma nor {end}" if self._at < len(self._text) else f"the text ends before {end}")
        self._at += 1

    def _key(self, container: dict[str, Any]) -> str:
        self._count()
        self._space()
        if not self._text.startswith('"', self._at):
            raise self.error("no key: a key is a string in double quotes")
        place = self._at
        key = self._string()
        if key in container:
            raise self.error(f"the key {key!r:.60} stands twice in one object", place)
        self._space()
        if not self._text.startswith(":", self._at):
            raise self.error("no colon behind the key")
        self._at += 1
        return key

    @staticmethod
    def _put(container: Any, key: str | None, value: Any) -> None:
        if isinstance(container, dict):
            container[key] = value
        else:
            container.append(value)

    def _number(self) -> int | float:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            found = self._text[self._at : self._at + 10]
            if found.startswith("\ufeff"):
                raise self.error("a byte order mark, which JSON does not have")
            if found.lstrip("-").startswith(("NaN", "Infinity")):
                raise self.error("NaN and infinities are no numbers of JSON")
            raise self.error(f"no value: {found!r}" if found else "the text ends where a value is due")
        digits = match[0]
        if match[1] or match[2]:
            number = float(digits)
            if number - number != 0:
                raise self.error(f"the number {digits:.30} is larger than any float")
            self._at = match.end()
            return number
        if len(digits.lstrip("-")) > MAX_DIGITS:
            raise self._limit(f"an integer has more than {MAX_DIGITS:,} digits")
        self._at = match.end()
        return parse_digits(digits)

    def _string(self) -> str:
        begin = self._at
        self._at += 1
        pieces: list[str] = []
        while True:
            match = _PLAIN.match(self._text, self._at)
            assert match is not None  # the pattern matches the empty text
            pieces.append(match[0])
            self._at = match.end()
            end = self._text[self._at : self._at + 1]
            if end == '"':
                self._at += 1
                return join_surrogates("".join(pieces))
            if not end:
                raise self.error("the string is not closed", begin)
            if end != "\\":
                raise self.error(f"the control character U+{ord(end):04X} in a string is not escaped")
            pieces.append(self._escape())

    def _escape(self) -> str:
        code = self._text[self._at + 1 : self._at + 2]
        if code == "u":
            match = _HEX.match(self._text, self._at + 2)
            if match is None:
                raise self.error("\\u without four hex digits")
            self._at += 6
            return chr(int(match[0], 16))
        if code not in _ESCAPES:
            raise self.error(f"the escape \\{code} does not exist")
        self._at += 2
        return _ESCAPES[code]
