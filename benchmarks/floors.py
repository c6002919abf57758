"""What nothing can go below: two syncs for a durable add, one frame for the bytes, an empty Python for a process."""

import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.call import Call, compact
from benchmarks.clock import Spent, spend
from benchmarks.peers.zstlog import tight

NO_DISK = 20.0
"""Two syncs that take fewer microseconds than this reached no disk."""


class TwoSyncs:
    """Bytes appended to a file, with an `fdatasync` after each half: data, then what makes it valid.

    The least that a store with atomic commits can do.
    """

    def __init__(self, directory: Path) -> None:
        self.file = os.open(directory / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, size: int) -> Spent:
        """Write and sync `size` bytes that do not compress."""
        body = os.urandom(size)
        halves = body[: size // 2], body[size // 2 :]
        return spend(lambda: [self._keep(half) for half in halves])

    def close(self) -> None:
        os.close(self.file)

    def _keep(self, part: bytes) -> int:
        written = os.write(self.file, part)
        os.fdatasync(self.file)
        return written


def written_bytes() -> int | None:
    """Bytes that this process has handed to write calls so far; None where the system does not say."""
    try:
        counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    except OSError:
        return None
    return int(counters["wchar"])


def zstd_bound(calls: Iterable[Call]) -> int:
    """Bytes of every distinct component in one frame of `zstd -19 --long`: no ids, no order, no access."""
    distinct = {compact(value): None for call in calls for _, value in call.components()}
    return len(tight().compress(b"\n".join(distinct)))
