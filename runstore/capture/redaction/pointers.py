"""Where a place in a text of JSON lies in the value: JSON pointers of offsets. Only used where something was found. Pure."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]', re.DOTALL)


class Pointers:
    """The strings of a text of JSON and their pointers; of a text that is none, the empty pointer everywhere."""

    def __init__(self, text: str) -> None:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            self._strings: list[tuple[int, int, str]] = []
        else:
            self._strings = list(_strings(text))
        self._starts = [start for start, _, _ in self._strings]

    def at(self, offset: int) -> str:
        """Return the pointer of the string that holds an offset; of a key, that of the value under it."""
        place = bisect_right(self._starts, offset) - 1
        if place < 0:
            return ""
        _, end, pointer = self._strings[place]
        return pointer if offset < end else ""


def escaped(name: str | int) -> str:
    """Return one reference token of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _strings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield each string of a text of JSON: where it begins and ends, and its pointer."""
    stack: list[tuple[bool, str | int]] = []  # (an array, the key or index that is being read)
    expect_key = False
    for match in _TOKEN.finditer(text):
        sign = match[0]
        if sign[0] == '"':
            if expect_key:
                stack[-1] = (False, json.loads(sign))
                expect_key = False
            pointer = "".join("/" + escaped(name) for _, name in stack)
            yield match.start(), match.end(), pointer
        elif sign in "{[":
            stack.append((sign == "[", 0 if sign == "[" else ""))
            expect_key = sign == "{"
        elif sign in "}]":
            stack.pop()
            expect_key = False
        elif sign == "," and stack:
            array, name = stack[-1]
            if array:
                stack[-1] = (True, int(name) + 1)
            expect_key = not array
