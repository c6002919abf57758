"""How often somebody may call: a bucket that fills up again, for each token and, without one, each address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000


class Rate:
    """So many calls a minute for each key, that many at once at most. `clock` is in seconds."""

    def __init__(self, a_minute: int, clock: Callable[[], float]) -> None:
        self._most = float(a_minute)
        self._a_second = a_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Take one call; return 0, or after how many seconds there is one to take."""
        now = self._clock()
        left, since = self._buckets.pop(key, (self._most, now))
        left = min(self._most, left + (now - since) * self._a_second)
        taken = left >= 1
        self._buckets[key] = (left - taken, now)
        while len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._a_second
