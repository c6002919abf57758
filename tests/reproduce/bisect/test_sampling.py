"""Judging by several answers: when a verdict stands, and how sure it is."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.errors import InvalidInput
from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP
from runstore.reproduce.bisect.sampling import confidence, decided, plan


@pytest.mark.parametrize(
    ("samples", "threshold", "verdicts", "found"),
    [
        (1, 0.5, [BAD], BAD),
        (1, 0.5, [GOOD], GOOD),
        (1, 0.5, [], None),
        (5, 0.5, [BAD, BAD], None),
        (5, 0.5, [BAD, BAD, BAD], BAD),
        (5, 0.5, [GOOD, BAD, GOOD, GOOD], GOOD),
        (10, 0.1, [BAD], BAD),
        (10, 0.3, [GOOD] * 7, None),
        (10, 0.3, [GOOD] * 8, GOOD),
        (5, 1, [GOOD], GOOD),
        (5, 0.5, [BAD, SKIP], SKIP),
    ],
)
def test_a_verdict_stands_once_what_is_left_cannot_turn_it(samples: int, threshold: float, verdicts: list[str], found: str | None) -> None:
    """Bad at the threshold's share of all samples; good as soon as that cannot be reached; an answer that cannot be judged spoils it."""
    assert decided(plan(samples, threshold), verdicts) == found


@given(st.integers(1, 9), st.floats(0.05, 1), st.data())
def test_stopping_early_changes_no_verdict(samples: int, threshold: float, data: st.DataObject) -> None:
    """What stands early is what all the samples say."""
    wanted = plan(samples, threshold)
    verdicts = data.draw(st.lists(st.sampled_from([GOOD, BAD]), min_size=samples, max_size=samples))
    early = next(found for at in range(1, samples + 1) if (found := decided(wanted, verdicts[:at])))
    assert decided(wanted, verdicts, all=True) == early
    assert decided(wanted, verdicts[:-1], all=True) is None


def test_the_confidence_is_the_share_of_worlds_at_the_threshold() -> None:
    """By counting: of all sequences of 6 answers that are bad at the rate 0.5, how many have fewer bad ones than these."""
    wanted = plan(6, 0.5)
    fewer = sum(sum(world) < 5 for world in product((0, 1), repeat=6)) / 64
    assert confidence(wanted, [BAD] * 5 + [GOOD]) == pytest.approx(fewer)
    assert confidence(wanted, [GOOD] * 6) == pytest.approx(1 - 1 / 64)
    assert confidence(plan(9, 1), [GOOD] + [BAD] * 8) == 1


@pytest.mark.parametrize(("samples", "threshold"), [(0, 0.5), (3, 0), (3, 1.1), (3, float("nan"))])
def test_plans_that_say_nothing(samples: int, threshold: float) -> None:
    """No samples, or a threshold that every or no answer reaches, is refused."""
    with pytest.raises(InvalidInput):
        plan(samples, threshold)
