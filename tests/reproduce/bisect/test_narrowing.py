"""Narrowing: few trials, and what is found is bad and minimal, whatever acts together and whatever cannot be judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP, minimal


class Judge:
    """Judges sets of numbers: bad if one of the culprits (each a set) is in them, skipped if a troublemaker is without its partner."""

    def __init__(self, culprits: list[frozenset[int]], skips: dict[int, int] | None = None) -> None:
        self.culprits, self.skips = culprits, skips or {}
        self.trials: dict[frozenset[int], str] = {}

    def __call__(self, changes: list[int]) -> str:
        made = frozenset(changes)
        self.trials[made] = self.verdict(made)
        return self.trials[made]

    def verdict(self, made: frozenset[int]) -> str:
        """Return what a set is."""
        if any(one in made and other not in made for one, other in self.skips.items()):
            return SKIP
        return BAD if any(culprit <= made for culprit in self.culprits) else GOOD


@pytest.mark.parametrize("culprit", range(12))
def test_one_culprit_of_twelve_takes_at_most_eight_trials(culprit: int) -> None:
    """Whichever of 12 changes it is: with the two ends, which are judged first, at most 8 trials."""
    judge = Judge([frozenset((culprit,))])
    assert minimal(judge, range(12)) == [culprit]
    assert len(judge.trials) + 2 <= 8


@pytest.mark.parametrize("pair", [(0, 1), (0, 11), (3, 7), (10, 11)])
def test_two_interacting_culprits_are_both_found(pair: tuple[int, int]) -> None:
    """Two changes that are bad only together are the result, and no third."""
    judge = Judge([frozenset(pair)])
    assert minimal(judge, range(12)) == list(pair)
    assert len(judge.trials) + 2 <= 14


@given(st.data())
def test_the_culprits_are_found_exactly(data: st.DataObject) -> None:
    """Any set of changes that is bad together is found, in a number of trials that grows with the set and the digits of the whole."""
    of = data.draw(st.integers(1, 200))
    culprits = data.draw(st.frozensets(st.integers(0, of - 1), min_size=1, max_size=6))
    judge = Judge([culprits])
    assert minimal(judge, range(of)) == sorted(culprits)
    assert len(judge.trials) <= len(culprits) * (of.bit_length() + 2)


@given(st.data())
def test_what_is_found_is_bad_and_minimal(data: st.DataObject) -> None:
    """With several sets that are bad each by itself, and mixes that cannot be judged: it is bad, and nothing in it can be left out."""
    of = data.draw(st.integers(1, 24))
    numbers = st.integers(0, of - 1)
    culprits = data.draw(st.lists(st.frozensets(numbers, min_size=1, max_size=4), min_size=1, max_size=3))
    skips = data.draw(st.dictionaries(numbers, numbers, max_size=6))
    judge = Judge(culprits, skips)
    found = minimal(judge, range(of))
    assert judge.verdict(frozenset(found)) == BAD
    assert all(judge.verdict(frozenset(found) - {one}) != BAD for one in found)
    assert found == sorted(found)


@given(st.data())
def test_nothing_is_assumed_of_the_judge(data: st.DataObject) -> None:
    """Even where adding a change can make a bad mix good again, the result is bad and minimal."""
    of = data.draw(st.integers(1, 8))
    verdicts = data.draw(st.lists(st.sampled_from([GOOD, BAD, SKIP]), min_size=2**of, max_size=2**of))

    def test(changes: list[int]) -> str:
        at = sum(1 << change for change in changes)
        return BAD if at == 2**of - 1 else verdicts[at]

    found = minimal(test, range(of))
    assert test(found) == BAD
    assert all(test([other for other in found if other != one]) != BAD for one in found if len(found) > 1)


def test_what_another_change_had_hidden_is_left_out_at_the_end() -> None:
    """A change that is bad alone, but good beside another one, is found with a third at first; in the end it stands alone."""
    bad = [{0, 1, 2}, {1, 2}, {1}]
    assert minimal(lambda changes: BAD if {*changes} in bad else GOOD, range(3)) == [1]
