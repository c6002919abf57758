"""Counts of what a process recorded and what it could not: nothing is dropped in silence."""

from __future__ import annotations

import os
import threading
import warnings


class NotRecorded(UserWarning):
    """A call could not be recorded. Said once a process; `runstore.stats()` has the counts."""


class Counts:
    """Counters of one process. A forked child begins at zero."""

    NAMES = ("calls", "recorded", "others", "dropped", "dropped_bytes", "shortened", "refused", "drained", "failed_drains")

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.RLock()  # counted while Python collects garbage, too
        self._numbers = dict.fromkeys(self.NAMES, 0)
        self._last: str | None = None
        self._warned = False

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        with self._lock:
            self._numbers[name] += number

    def dropped(self, error: BaseException, size: int, *, name: str = "dropped") -> None:
        """Count a call that is not recorded, remember why, and warn if it is the first."""
        with self._lock:
            self._numbers[name] += 1
            self._numbers["dropped_bytes"] += size
            self._last = f"{type(error).__name__}: {error}"
            first, self._warned = not self._warned, True
        if first:
            self.warn(f"runstore: a call was not recorded, and the program goes on: {self._last}")

    def failed_drain(self, error: BaseException) -> None:
        """Count a drain that failed, and remember why. Nothing is lost by it: the journal stays."""
        with self._lock:
            self._numbers["failed_drains"] += 1
            self._last = f"{type(error).__name__}: {error}"

    @staticmethod
    def warn(text: str) -> None:
        """Warn. A program whose warnings are errors is not disturbed by it either."""
        try:
            warnings.warn(text, NotRecorded, stacklevel=3)
        except Warning:
            return

    def as_dict(self) -> dict[str, int | str | None]:
        """Return the counts, and under `last_error` why a call was dropped last."""
        with self._lock:
            return {**self._numbers, "last_error": self._last}
