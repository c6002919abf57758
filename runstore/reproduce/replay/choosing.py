"""Choosing among several recorded answers to one request: the first, the latest, the next, or one by lot."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from runstore.errors import InvalidInput

FIRST, LATEST, SEQUENCE, SAMPLE = "first", "latest", "sequence", "sample"
_T = TypeVar("_T")


class Choice(NamedTuple):
    """How to choose: `first`, `latest`, `sequence` (the nth call gets the nth answer), or `sample` with a seed."""

    name: str = LATEST
    seed: int = 0


def parse_choice(text: str) -> Choice:
    """Read `first`, `latest`, `sequence`, `sample` or `sample:SEED`. Raises InvalidInput."""
    name, colon, seed = text.partition(":")
    if name not in (FIRST, LATEST, SEQUENCE, SAMPLE) or (colon and (name != SAMPLE or not seed.isdecimal())):
        raise InvalidInput(f"{text[:40]!r} is no choice", hint="first, latest, sequence, or sample:SEED", kind="bad-choice")
    return Choice(name, int(seed or 0))


class Chooser:
    """Chooses, and counts the calls of each caller. Threads may share one.

    A call takes its number when it is made, so that each caller's answers come in the order in which they were recorded. A caller is a
    scope (`runstore.record`) where the program names one: then it has a count of its own; all calls outside scopes share one.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._calls: Counter[tuple[str, bytes]] = Counter()
        self._lock = threading.Lock()

    def choose(self, answers: Sequence[_T], request: bytes, caller: str) -> tuple[_T | None, int]:
        """Return the answer for a call, and the call's number from 1; None where a sequence is at its end. `answers` is not empty."""
        with self._lock:
            self._calls[(caller, request)] += 1
            number = self._calls[(caller, request)]
        name, seed = self._choice
        if name == FIRST:
            return answers[0], number
        if name == LATEST:
            return answers[-1], number
        if name == SEQUENCE:
            return (answers[number - 1] if number <= len(answers) else None), number
        drawn = hashlib.sha256(f"{seed}/{caller}/{number}/".encode() + request).digest()
        return answers[int.from_bytes(drawn[:8], "big") % len(answers)], number
