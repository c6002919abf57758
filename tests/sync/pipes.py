"""Pipes to a process that answers calls, cut after so many bytes of both directions together."""

from __future__ import annotations

import subprocess
from typing import IO, cast

from runstore.sync.streams import StreamChannel


class Budget:
    """How many bytes go over before the pipes are closed; None for all of them. `used` counts, `edges` are where writes and reads end."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.used = 0
        self.edges: list[int] = []

    def take(self, size: int) -> int:
        """Take bytes; return how many go over."""
        fits = size if self.most is None else max(min(size, self.most - self.used), 0)
        self.used += fits
        self.edges.append(self.used)
        return fits


class _Cut:
    """One end of a pipe."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def write(self, data: bytes) -> int:
        fits = self._budget.take(len(data))
        self._stream.write(data[:fits])
        if fits < len(data):
            self.close()
            raise BrokenPipeError("cut")
        return fits

    def read(self, size: int) -> bytes:
        if self._budget.most is not None and self._budget.used >= self._budget.most:
            return b""
        found = self._stream.read(size)
        return found[: self._budget.take(len(found))]

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()


def spawn_cut(command: list[str], budget: Budget) -> StreamChannel:
    """Start a process, and speak to it over pipes that are cut."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop() -> None:
        process.wait(20)

    incoming, outgoing = (_Cut(cast("IO[bytes]", stream), budget) for stream in (process.stdout, process.stdin))
    return StreamChannel(incoming, outgoing, stop)  # type: ignore[arg-type]
