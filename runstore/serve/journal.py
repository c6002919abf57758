"""The access log: one line a request, `name=value` pairs. It holds names of tokens, never a token, and no path as it was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import TextIO

_PLAIN = re.compile(r"[A-Za-z0-9._:/@+-]+\Z")


class Journal:
    """Writes lines, each whole, from all threads. `now` gives microseconds since 1970 UTC."""

    def __init__(self, stream: TextIO, now: Callable[[], int]) -> None:
        self._stream = stream
        self._now = now
        self._lock = Lock()

    def write(self, **fields: object) -> None:
        """Write one line: the time, then the fields that are not None."""
        moment = datetime.fromtimestamp(self._now() / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs = [f"time={moment}", *(f"{name}={_shown(value)}" for name, value in fields.items() if value is not None)]
        with self._lock:
            self._stream.write(" ".join(pairs) + "\n")
            self._stream.flush()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if _PLAIN.match(text) else json.dumps(text)
