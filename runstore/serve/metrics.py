"""Figures of a server in the text format of Prometheus: counters by store, shown to whom may see them.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Labels = tuple[tuple[str, str], ...]

# Names and help. A counter ends in _total; the two halves of a summary do not.
_ABOUT = {
    "runstore_calls_total": ("counter", "Calls answered, by what they asked for and what became of them."),
    "runstore_call_seconds_total": ("counter", "Time spent on calls."),
    "runstore_received_bytes_total": ("counter", "Bytes of calls."),
    "runstore_sent_bytes_total": ("counter", "Bytes of answers."),
    "runstore_refused_requests_total": ("counter", "Requests refused before they reached a store, by status."),
    "runstore_calls_running": ("gauge", "Calls being answered now."),
}


class Metrics:
    """Counts what a server does. Used by all its threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: Counter[tuple[str, _Labels]] = Counter()
        self.running = 0

    def call(self, store: str, call: str, result: str, seconds: float, received: int, sent: int) -> None:
        """Count a call that was answered, or cut."""
        place = (("store", store),)
        with self._lock:
            self._values["runstore_calls_total", (*place, ("call", call), ("result", result))] += 1
            self._values["runstore_call_seconds_total", (*place, ("call", call))] += seconds  # type: ignore[assignment]
            self._values["runstore_received_bytes_total", place] += received
            self._values["runstore_sent_bytes_total", place] += sent

    def refused(self, status: int) -> None:
        """Count a request that reached no store."""
        with self._lock:
            self._values["runstore_refused_requests_total", (("status", str(status)),)] += 1

    def render(self, may: Callable[[str], bool], *, everything: bool) -> str:
        """Return the figures of the stores that may be seen; those of the server as a whole only where all may be."""
        with self._lock:
            values = dict(self._values)
        if everything:
            values["runstore_calls_running", ()] = self.running
        lines: list[str] = []
        for name, (kind, about) in _ABOUT.items():
            rows = [(labels, value) for (of, labels), value in sorted(values.items()) if of == name and _visible(labels, may, everything)]
            if rows:
                lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{_braced(labels)} {value:.6f}".rstrip("0").rstrip(".") for labels, value in rows]
        return "\n".join(lines) + "\n"


def _visible(labels: _Labels, may: Callable[[str], bool], everything: bool) -> bool:
    store = next(_values(labels, "store"), None)
    return everything if store is None else may(store)


def _values(labels: _Labels, name: str) -> Iterator[str]:
    return (value for key, value in labels if key == name)


def _braced(labels: _Labels) -> str:
    # Names of stores, calls and results have no character that would have to be escaped.
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels) + "}" if labels else ""
