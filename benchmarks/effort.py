"""How much is measured: all of it, or just enough to see that the program runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`rounds` of the same work, of which the cheapest counts; `turns` of one conversation; `pairs` of processes."""

    rounds: int = 3
    turns: int = 1000
    pairs: int = 40
