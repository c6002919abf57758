"""How one sequence becomes another: lines, words, elements. Pure. The work is bounded, whatever the sequences hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate

_EXACT = 4_000_000
# Comparisons of one item with another: about a second. A search for the longest common stretch may take a part of them at most.
_STEPS = 10_000_000
_PART = _STEPS // 8

Code = tuple[str, int, int, int, int]
"""As difflib tells it: what happens, start and end in the first sequence, start and end in the second."""


def opcodes(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[Code]:
    """Return how one sequence becomes another.

    Where the two are long, items that repeat often begin no common stretch, and what would take too long is told as replaced.
    """
    head, tail = _common(before, after)
    matcher = _Matcher(before[head : len(before) - tail], after[head : len(after) - tail])
    codes: list[Code] = [("equal", 0, head, 0, head)] if head else []
    codes += [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in matcher.get_opcodes()]
    if tail:
        codes.append(("equal", len(before) - tail, len(before), len(after) - tail, len(after)))
    return codes


class _Matcher(SequenceMatcher[Hashable]):
    """difflib's search, which takes quadratic time and more, with a bound on its steps."""

    a: Sequence[Hashable]
    b2j: dict[Hashable, list[int]]

    def __init__(self, before: Sequence[Hashable], after: Sequence[Hashable]) -> None:
        long = len(before) * len(after) > _EXACT
        super().__init__(None, before, after, autojunk=long)
        if long:
            self._pass_over_frequent(before)
        self._costs = [0, *accumulate(1 + len(self.b2j.get(item, ())) for item in before)]
        self._left = _STEPS

    def _pass_over_frequent(self, before: Sequence[Hashable]) -> None:
        """Forget where the most frequent items stand, as many as a search cannot afford."""
        counts = Counter(before)
        rare_first = sorted(self.b2j, key=lambda item: len(self.b2j[item]))
        costs = accumulate(counts[item] * len(self.b2j[item]) for item in rare_first)
        for item, cost in zip(rare_first, costs, strict=True):
            if cost > _PART:
                del self.b2j[item]

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        end = len(self.a) if ahi is None else ahi
        self._left -= self._costs[end] - self._costs[alo]
        return Match(alo, blo, 0) if self._left < 0 else super().find_longest_match(alo, ahi, blo, bhi)


def _common(before: Sequence[Hashable], after: Sequence[Hashable]) -> tuple[int, int]:
    """Return how many items the two share at the beginning, and at the end."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head, tail
