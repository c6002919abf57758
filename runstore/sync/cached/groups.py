"""Groups: when what was recorded goes to the bucket. By count, by bytes, and after a time, in a thread that sleeps between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from runstore.errors import RunstoreError

_LONGEST_PAUSE = 30.0


class Grouping(NamedTuple):
    """A group is pushed when it has so many transactions, so many bytes of new objects, or its first is so many seconds old."""

    writes: int = 1000
    bytes: int = 16 << 20
    seconds: float = 2.0


class Pusher:
    """Calls `push` when a group is due. What fails is tried again after ever longer pauses; `failure` is the last error."""

    def __init__(self, push: Callable[[], object], grouping: Grouping) -> None:
        self._push = push
        self._grouping = grouping
        self._changed = threading.Condition()
        self._count = self._bytes = 0
        self._due = 0.0
        self._pauses = 0
        self._ended = False
        self._thread: threading.Thread | None = None
        self.failure: RunstoreError | None = None

    def note(self, size: int) -> None:
        """Say that a transaction with so many bytes of new objects was committed."""
        with self._changed:
            if not self._count:
                self._due = time.monotonic() + self._grouping.seconds
            self._count += 1
            self._bytes += size
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="runstore bucket", daemon=True)
                self._thread.start()
            elif self._is_full():
                self._changed.notify()

    def _is_full(self) -> bool:
        return self._count >= self._grouping.writes or self._bytes >= self._grouping.bytes

    def _run(self) -> None:
        while self._wait():
            try:
                self._push()
                self.failure, self._pauses = None, 0
            except RunstoreError as error:
                self.failure = error
                with self._changed:
                    self._pauses += 1
                    self._count = max(1, self._count)
                    self._due = time.monotonic() + min(_LONGEST_PAUSE, 0.5 * 2**self._pauses)

    def _wait(self) -> bool:
        """Wait until a group is due; False when all is over. The group that is taken begins anew."""
        with self._changed:
            while not self._ended:
                if not self._count:
                    self._changed.wait()
                elif self._is_full() and not self._pauses:
                    break
                elif (left := self._due - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    break
            self._count = self._bytes = 0
            return not self._ended

    def end(self) -> None:
        """End the thread, after the push that is under way."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
