"""Narrowing: from many changes that together make a good thing bad to few of which each is needed. Pure.

Delta debugging on the difference of a good and a bad composition. A bisection finds, in as many trials as the number of changes has
binary digits, one change that is needed beside those found before; when those alone are bad, it is done. Nothing is assumed of how
changes act together: what is kept is always bad. At the end each change that was found is left out once, to see that it is needed; where
mixes could not be judged, by ddmin (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

GOOD, BAD, SKIP = "good", "bad", "skip"

Change = TypeVar("Change")
Test = Callable[[list[Change]], str]
"""From the changes made to the good composition to GOOD, BAD, or SKIP where that cannot be said."""


def minimal(test: Test[Change], changes: Sequence[Change]) -> list[Change]:
    """Return some of the changes, in their order, that are bad together, none of which can be left out so that they stay bad.

    The caller knows that no change is good and that all together are bad: neither is tested.
    """
    needed: list[Change] = []
    rest = list(changes)
    joined = False
    while True:
        low, high = edge(test, needed, rest)
        joined = joined or high - low > 1
        needed, rest = needed + rest[low:high], rest[:low]
        if not rest or test(needed) == BAD:
            break
    found = _reduced(test, needed) if joined else _each_needed(test, needed)
    order = {id(change): at for at, change in enumerate(changes)}
    return sorted(found, key=lambda change: order[id(change)])


def edge(test: Test[Change], needed: list[Change], rest: list[Change]) -> tuple[int, int]:
    """Return how many of the rest, from the first on, are not bad with those that are needed, and how many are.

    The two differ by one, unless all between them were skipped.
    """
    low, high = 0, len(rest)
    skipped: set[int] = set()
    while True:
        between = [at for at in range(low + 1, high) if at not in skipped]
        if not between:
            return low, high
        at = min(between, key=lambda at: abs(2 * at - low - high))
        verdict = test(needed + rest[:at])
        if verdict == BAD:
            high = at
        elif verdict == GOOD:
            low = at
        else:
            skipped.add(at)


def _each_needed(test: Test[Change], found: list[Change]) -> list[Change]:
    at = 0
    while len(found) > 1 and at < len(found):
        fewer = found[:at] + found[at + 1 :]
        if test(fewer) == BAD:
            found, at = fewer, 0  # what was needed beside the one that went may not be needed without it
        else:
            at += 1
    return found


def _reduced(test: Test[Change], found: list[Change]) -> list[Change]:
    """Return a part of bad changes of which none can be left out: ddmin."""
    parts = 2
    while len(found) > 1:
        pieces = _cut(found, parts)
        alone = next((piece for piece in pieces if test(piece) == BAD), None)
        if alone is not None:
            found, parts = alone, 2
            continue
        without = (found[:start] + found[start + len(piece) :] for start, piece in zip(_starts(pieces), pieces, strict=True))
        fewer = next((changes for changes in without if len(changes) < len(found) and test(changes) == BAD), None)
        if fewer is not None:
            found, parts = fewer, max(parts - 1, 2)
        elif parts >= len(found):
            break
        else:
            parts = min(2 * parts, len(found))
    return found


def _cut(found: list[Change], parts: int) -> list[list[Change]]:
    parts = min(parts, len(found))
    edges = [at * len(found) // parts for at in range(parts + 1)]
    return [found[start:end] for start, end in pairwise(edges)]


def _starts(pieces: list[list[Change]]) -> list[int]:
    return [sum(map(len, pieces[:at])) for at in range(len(pieces))]
