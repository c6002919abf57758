"""Progress: one line on stderr that is written over, on a terminal only. Silent elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from runstore.cli.output import size

_SECONDS_BETWEEN = 0.1


class Progress:
    """Counts units done, and the share of a whole where its size is known. A context manager: the line is gone at the end.

    `add(done, part)`: `done` units (runs, objects) and `part` of the `whole` (bytes read).
    """

    def __init__(self, verb: str, noun: str, *, whole: int | None = None) -> None:
        self._verb, self._noun, self._whole = verb, noun, whole
        self._done = self._part = 0
        self._started = time.monotonic()
        self._shown = self._started - _SECONDS_BETWEEN  # the first count is drawn at once: work has begun
        self._terminal = sys.stderr.isatty()
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()

    def add(self, done: int = 0, part: int = 0) -> None:
        """Count more, and draw if that is the first count, or the last drawing is a while ago."""
        self._done += done
        self._part += part
        now = time.monotonic()
        if self._terminal and now - self._shown >= _SECONDS_BETWEEN:
            self._shown = now
            self._draw(now)

    def clear(self) -> None:
        """Take the line away, so that other text can be written."""
        if self._drawn:
            self._drawn = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _draw(self, now: float) -> None:
        seconds = now - self._started
        share = f" {min(self._part / self._whole, 1):4.0%}" if self._whole else f"  {size(self._part)}" if self._part else ""
        rate = f"  {self._done / seconds:,.0f}/s" if seconds > 0 and self._done else ""
        done = f"  {self._done:,} {self._noun}" if self._done else ""
        sys.stderr.write(f"\r\x1b[K{self._verb}{share}{done}{rate}")
        sys.stderr.flush()
        self._drawn = True
