"""Differences of long lines by words, with a few words of context. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runstore.query.textdiff import Hunk

CONTEXT = 8
LONG = 100
"""A changed line of at least so many characters is shown by words."""

KEPT, GONE, CAME, CUT = " ", "-", "+", "…"
_LIKE = 0.4
_NEAR = 8
# A number is one word, with its sign's neighbour left outside: 1,000.5 became 2,000.5, not 1 became 2.
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A stretch of a line. `sign`: ` ` both have it, `-` the old one alone, `+` the new one alone, `…` what both have was left out."""

    sign: str
    text: str


class Line(NamedTuple):
    """A line of a hunk: (sign, text) as in `Hunk`; or, with sign `~`, an old line and the new one for it, by words in `pieces`."""

    sign: str
    text: str
    pieces: tuple[Piece, ...] = ()


def lines(hunk: Hunk) -> Iterator[Line]:
    """Yield the lines of a hunk, long lines that were changed by words."""
    rows = hunk.lines
    at = 0
    while at < len(rows):
        gone = _stretch(rows, at, GONE)
        came = _stretch(rows, at + len(gone), CAME)
        if not gone and not came:
            yield Line(*rows[at])
            at += 1
            continue
        at += len(gone) + len(came)
        yield from _changed(gone, came)


def diff_words(old: str, new: str, *, context: int = CONTEXT) -> tuple[Piece, ...]:
    """Return two texts as one, in pieces; of what both have at most `context` words before and after a change."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    return tuple(_pieces(before, after, context))


def likeness(pieces: Sequence[Piece], old: str, new: str) -> float:
    """Return the share of two texts that changed pieces leave alone, 0 to 1."""
    changed = sum(len(piece.text) for piece in pieces if piece.sign in (GONE, CAME))
    return 1 - changed / max(len(old) + len(new), 1)


def _changed(gone: list[str], came: list[str]) -> Iterator[Line]:
    """Yield lines that went and lines that came: a long one beside that which took its place by words, the others in blocks between."""
    old_at = new_at = 0
    for old, new, pieces in _counterparts(gone, came):
        yield from _whole(gone[old_at:old], came[new_at:new])
        yield Line("~", "", pieces)
        old_at, new_at = old + 1, new + 1
    yield from _whole(gone[old_at:], came[new_at:])


def _whole(gone: list[str], came: list[str]) -> Iterator[Line]:
    yield from (Line(GONE, text) for text in gone)
    yield from (Line(CAME, text) for text in came)


def _counterparts(gone: list[str], came: list[str]) -> Iterator[tuple[int, int, tuple[Piece, ...]]]:
    """Yield the places of lines that stand for one another, in order: the next line that came and is like enough, of a few."""
    begin = 0
    for old, text in enumerate(gone):
        for new in range(begin, min(begin + _NEAR, len(came))):
            if max(len(text), len(came[new])) >= LONG:
                pieces = diff_words(text, came[new])
                if likeness(pieces, text, came[new]) >= _LIKE:
                    yield old, new, pieces
                    begin = new + 1
                    break


def _stretch(rows: Sequence[tuple[str, str]], start: int, sign: str) -> list[str]:
    end = start
    while end < len(rows) and rows[end][0] == sign:
        end += 1
    return [text for _, text in rows[start:end]]


def _pieces(before: list[str], after: list[str], context: int) -> Iterator[Piece]:
    from runstore.query.sequences import opcodes

    codes = opcodes(before, after)
    for number, (tag, a, b, c, d) in enumerate(codes):
        if tag == "equal":
            yield from _kept(before[a:b], context, first=number == 0, last=number == len(codes) - 1)
            continue
        if b > a:
            yield Piece(GONE, "".join(before[a:b]))
        if d > c:
            yield Piece(CAME, "".join(after[c:d]))


def _kept(words: list[str], context: int, *, first: bool, last: bool) -> Iterator[Piece]:
    # Spaces are words of the pattern too, so a word of context is two of its matches.
    head = 0 if first else 2 * context
    tail = 0 if last else 2 * context
    if len(words) <= head + tail + 2:
        yield Piece(KEPT, "".join(words))
        return
    if head:
        yield Piece(KEPT, "".join(words[:head]))
    yield Piece(CUT, "")
    if tail:
        yield Piece(KEPT, "".join(words[len(words) - tail :]))
