"""Scanning a text: where the secrets are, also where they stand in base64, in escapes or percent-encoded.

Keywords are looked for first, each with a plain search over the long words of the text; patterns are tried only where a keyword stands.
Positions always count in the text that was given, whatever it had to be read as. Pure.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from runstore.capture.redaction.rules import RULES, Rule

LONG_WORD = 12
_LEVELS = 3  # JSON in a string of JSON in a string of JSON
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
# Escapes of characters that a secret may have. The others (`\n`, `\"`) are known to the patterns.
_HIDING = re.compile(r"\\(?:/|u00[2-7])")
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Finding(NamedTuple):
    """A secret: the stretch of the text that gives way, what takes its place, and the rule."""

    start: int
    end: int
    mask: str
    rule: str


def mask_of(rule: str) -> str:
    """Return what stands in place of a secret. No JSON, URL or header needs it escaped."""
    return f"[redacted:{rule}]"


class Scanner:
    """Finds secrets by rules. Immutable; threads may share one."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._always = tuple(rule for rule in rules if not rule.keywords)
        self._strict = _by_keyword(rule for rule in rules if not rule.loose)
        self._loose = _by_stem(rule for rule in rules if rule.loose)
        self._order = {rule.name: place for place, rule in enumerate(rules)}

    def find(self, text: str) -> list[Finding]:
        """Return the secrets of a text, in order, none overlapping another; those in base64 too."""
        found = self._plain(text)
        read = _View(text)
        for _ in range(_LEVELS):
            if _HIDING.search(read.text) is None:
                break
            read = read.unescaped()
            found += [Finding(*read.span(one.start, one.end), one.mask, one.rule) for one in self._plain(read.text)]
        found += [Finding(*read.span(one.start, one.end), one.mask, one.rule) for one in self._coded(read.text)]
        if "%" in text:
            plain = _View(text).unquoted()
            found += [Finding(*plain.span(one.start, one.end), one.mask, one.rule) for one in self._plain(plain.text)]
        return self._apart(found) if found else []

    def mask(self, text: str) -> tuple[str, list[Finding]]:
        """Return a text without its secrets, and what was found."""
        found = self.find(text)
        return (apply(text, found), found) if found else (text, found)

    def _plain(self, text: str) -> list[Finding]:
        found: list[Finding] = []
        long = " ".join([word for word in text.split() if len(word) > LONG_WORD])
        for keyword, rules in self._strict.items():
            if keyword in long:
                for rule in rules:
                    found += _matches(rule, keyword, text, text)
        lower = _lower(text)
        for stem, table in self._loose.items():
            if stem in lower:
                for keyword, rules in table.items():
                    if keyword in lower:
                        for rule in rules:
                            found += _matches(rule, keyword, text, lower)
        for rule in self._always:
            found += [
                Finding(match.start(), match.end(), mask_of(rule.name), rule.name) for match in rule.compiled().finditer(text) if match[0]
            ]
        return found

    def _coded(self, text: str) -> list[Finding]:
        if not any(len(word) > LONG_WORD for word in text.split()):
            return []
        found: list[Finding] = []
        for run in _BASE64.finditer(text):
            inside = _decoded(run[0])
            if inside is None:
                continue
            findings = self._plain(inside)
            if findings:
                findings = self._apart(findings)
                clean = b64encode(apply(inside, findings).encode("latin-1")).decode()
                if "-" in run[0] or "_" in run[0]:
                    clean = clean.replace("+", "-").replace("/", "_")
                if not run[0].endswith("=") and len(run[0]) % 4:
                    clean = clean.rstrip("=")
                found.append(Finding(run.start(), run.end(), clean, findings[0].rule))
        return found

    def _apart(self, found: list[Finding]) -> list[Finding]:
        """Join what overlaps, under the name of the more specific rule; a mask covers all that any rule found."""
        last = len(self._order)
        found.sort(key=lambda one: (one.start, self._order.get(one.rule, last), -one.end))
        apart: list[Finding] = []
        for one in found:
            if apart and one.start < apart[-1].end:
                before = apart[-1]
                best = min(before, one, key=lambda each: self._order.get(each.rule, last))
                apart[-1] = Finding(before.start, max(before.end, one.end), best.mask, best.rule)
            else:
                apart.append(one)
        return apart


def apply(text: str, found: Iterable[Finding]) -> str:
    """Return a text with the masks in place."""
    parts: list[str] = []
    at = 0
    for one in found:
        parts += (text[at : one.start], one.mask)
        at = one.end
    return "".join([*parts, text[at:]])


def _by_keyword(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    table: dict[str, list[Rule]] = {}
    for rule in rules:
        for keyword in rule.keywords:
            table.setdefault(keyword, []).append(rule)
    return table


def _by_stem(rules: Iterable[Rule]) -> dict[str, dict[str, list[Rule]]]:
    """Return the rules by what is looked for first, then by keyword, both in lower case."""
    table: dict[str, dict[str, list[Rule]]] = {}
    for rule in rules:
        for keyword in (word.translate(_ASCII_LOWER) for word in rule.keywords):
            stem = next((stem for stem in rule.stems if stem in keyword), keyword)
            table.setdefault(stem, {}).setdefault(keyword, []).append(rule)
    return table


def _lower(text: str) -> str:
    """Return a text of the same length with A to Z in lower case."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.translate(_ASCII_LOWER)


def _matches(rule: Rule, keyword: str, text: str, where: str) -> Iterator[Finding]:
    pattern = rule.compiled()
    at = where.find(keyword)
    while at >= 0:
        start = max(0, at - rule.back)
        match = pattern.search(text, start, at + 20_000) if rule.back else pattern.match(text, at)
        if match and match.start() <= at:
            group = 1 if pattern.groups else 0
            if rule.accept is None or rule.accept(match[group]):
                yield Finding(*match.span(group), mask_of(rule.name), rule.name)
        after = match.end() if match and match.end() > at else at + len(keyword)
        at = where.find(keyword, after)


def _decoded(run: str) -> str | None:
    """Return what a run of base64 holds, a character a byte; None if it is none."""
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    size = len(plain)
    if size % 4 == 1:
        plain = plain[: size - 1]  # a longer word that begins like base64
    try:
        return b64decode(plain + "=" * (-len(plain) % 4)).decode("latin-1")
    except (Error, ValueError):
        return None


class _View:
    """A text as something else reads it, and where each of its characters comes from."""

    def __init__(self, text: str, starts: list[int] | None = None, origins: list[int] | None = None, base: _View | None = None) -> None:
        self.text = text
        self._starts = starts or [0]
        self._origins = origins or [0]
        self._base = base

    def unescaped(self) -> _View:
        """Return the text with the escapes of JSON read."""
        return self._replaced(_ESCAPE, _character)

    def unquoted(self) -> _View:
        """Return the text with its percent encoding read, a character a byte."""
        return self._replaced(_PERCENT, lambda match: chr(int(match[1], 16)))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of this text lies in the text that was given."""
        one, other = self._origin(start), self._origin(end - 1, last=True)
        return self._base.span(one, other) if self._base else (one, other)

    def _origin(self, at: int, *, last: bool = False) -> int:
        piece = bisect_right(self._starts, at) - 1
        begin = self._origins[piece] + at - self._starts[piece]
        if not last:
            return begin
        # A piece that is one character of several (an escape) ends where the next begins.
        following = piece + 1
        if following < len(self._starts) and self._starts[following] == at + 1:
            return self._origins[following]
        return begin + 1

    def _replaced(self, pattern: re.Pattern[str], character: Callable[[re.Match[str]], str]) -> _View:
        parts: list[str] = []
        starts, origins = [0], [0]
        at = size = 0
        for match in pattern.finditer(self.text):
            plain = self.text[at : match.start()]
            read = character(match)
            parts += (plain, read)
            size += len(plain)
            starts += (size, size + len(read))
            origins += (match.start(), match.end())
            size += len(read)
            at = match.end()
        return _View("".join([*parts, self.text[at:]]), starts, origins, self)


def _character(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 16))
    return _CONTROL.get(match[2], match[2])
