"""A server from outside: the processor time and the memory of a process and its children (Linux)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_SECONDS = 0.005


class Watched:
    """A process and all below it. `peak` is the most memory that was seen while `peaking`, in bytes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak = 0

    def cpu(self) -> float:
        """Return the processor seconds that they have used."""
        return sum(sum(map(int, _stat(pid)[11:13])) for pid in self._all()) / _TICK

    def memory(self) -> int:
        """Return the bytes that are theirs alone, without pages of files."""
        return sum(_anonymous(pid) for pid in self._all())

    @contextmanager
    def peaking(self) -> Iterator[None]:
        """Watch the memory."""
        done = threading.Event()

        def watch() -> None:
            self.peak = self.memory()
            while not done.wait(_SECONDS):
                self.peak = max(self.peak, self.memory())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _all(self) -> list[int]:
        found = [self._pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ["0"] * 20


def _anonymous(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1].split()[0]) << 10
    except (OSError, IndexError):
        return 0
