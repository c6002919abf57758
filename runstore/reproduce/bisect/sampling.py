"""Judging what answers differently each time: so many answers, and a share of bad ones from which it counts as bad. Pure.

The confidence of a verdict is exact: one minus the probability that answers which are bad just at the threshold's rate look as bad (or as
good) as these did, or more so, after a binomial distribution. Sampling stops as soon as what is left cannot turn the verdict. That leaves
the probability as it is: to have the c-th bad answer at the n-th draw or before is to have at least c in n draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb
from typing import NamedTuple

from runstore.errors import InvalidInput
from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP

_SLACK = 1e-9


class Plan(NamedTuple):
    """At most `samples` answers a composition; it is bad if at least `threshold` of them are, as a share."""

    samples: int = 1
    threshold: float = 0.5

    @property
    def needed(self) -> int:
        """How many bad answers make a composition bad."""
        return max(1, ceil(self.threshold * self.samples - _SLACK))


def plan(samples: int = 1, threshold: float = 0.5) -> Plan:
    """Return a plan. Raises InvalidInput for one that says nothing."""
    if samples < 1 or not 0 < threshold <= 1:
        fact = "a composition is judged by at least one sample, at a threshold above 0 and at most 1"
        raise InvalidInput(fact, hint="for example --samples 5 --threshold 0.5", kind="bad-plan")
    return Plan(samples, threshold)


def decided(wanted: Plan, verdicts: Sequence[str], *, all: bool = False) -> str | None:
    """Return what the verdicts on single answers say of a composition; None if more are wanted. With `all` every sample is wanted.

    One answer that cannot be judged makes the composition one.
    """
    if SKIP in verdicts:
        return SKIP
    if all and len(verdicts) < wanted.samples:
        return None
    bad = sum(verdict == BAD for verdict in verdicts)
    if bad >= wanted.needed:
        return BAD
    return GOOD if len(verdicts) - bad > wanted.samples - wanted.needed else None


def confidence(wanted: Plan, verdicts: Sequence[str]) -> float:
    """Return the confidence, 0 to 1, that the rate of bad answers lies on the side of the threshold that the verdict says."""
    bad, of = sum(verdict == BAD for verdict in verdicts), len(verdicts)
    if decided(wanted, verdicts) == BAD:
        return 1 - _at_least(bad, of, wanted.threshold)
    return 1 - _at_least(of - bad, of, 1 - wanted.threshold)


def _at_least(least: int, of: int, rate: float) -> float:
    """Return the probability of at least so many hits of so many, at a rate."""
    return sum(comb(of, hits) * rate**hits * (1 - rate) ** (of - hits) for hits in range(least, of + 1))
