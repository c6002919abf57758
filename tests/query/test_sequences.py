"""How one sequence becomes another, in bounded time."""

import random
from collections.abc import Hashable, Sequence

import pytest

from runstore.query.sequences import opcodes


def applied(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[Hashable]:
    """Make the second sequence from the first and what the codes say; equal stretches must be equal."""
    made: list[Hashable] = []
    at = (0, 0)
    for tag, a, b, c, d in opcodes(before, after):
        assert (a, c) == at
        assert tag != "equal" or before[a:b] == after[c:d]
        made.extend(before[a:b] if tag == "equal" else after[c:d])
        at = (b, d)
    assert at == (len(before), len(after))
    return made


@pytest.mark.parametrize("seed", range(20))
def test_the_codes_give_the_second_sequence(seed: int) -> None:
    """From nothing in common to all, with few different items and with many."""
    drawn = random.Random(seed)
    before = [drawn.randrange(2 + seed * 5) for _ in range(drawn.randrange(60))]
    after = [item for item in before if drawn.random() < 0.8] + [drawn.randrange(9) for _ in range(drawn.randrange(9))]
    assert applied(before, after) == after


def test_few_changes_are_found_in_long_sequences_of_few_items() -> None:
    """A text of 100,000 words of which there are 300 different ones: three places differ, and all else is told as equal."""
    drawn = random.Random(1)
    before = [drawn.randrange(300) for _ in range(100_000)]
    after = [-1, *before[:50_000], -2, -3, *before[50_010:-1], -4]
    assert applied(before, after) == after
    assert sum(b - a for tag, a, b, _, _ in opcodes(before, after) if tag == "equal") > 99_000


@pytest.mark.parametrize("kinds", [2, 50, 500])
def test_long_sequences_that_share_only_their_items_come_to_an_end(kinds: int) -> None:
    """Two texts of 100,000 words from one small vocabulary: a whole search would take minutes. The codes are right all the same."""
    drawn = random.Random(kinds)
    before, after = ([drawn.randrange(kinds) for _ in range(100_000)] for _ in range(2))
    assert applied(before, after) == after


def test_many_small_changes_come_to_an_end() -> None:
    """Every second word of a long text is another: each search would find one word more."""
    before = list(range(40_000))
    after = [-item if item % 2 else item for item in before]
    assert applied(before, after) == after
