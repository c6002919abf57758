"""Limits of a receiver: what it takes from a peer at once. They are announced in hello and checked before anything is allocated.

A limit is a refusal with an error, never a truncation. The limits of the format itself (docs/spec/identity.md, section 10) hold besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runstore.errors import Refused
from runstore.model.limits import MAX_DEPTH
from runstore.sync.frame import Header

RATIO_FREE = 64 << 20
GIB = 1 << 30


class Limits(NamedTuple):
    """What one transfer may bring. Bytes are raw ones. `depth` is how deep arrays and maps may lie in one another, at most the format's 64.

    `ratio` is raw bytes over received ones, beyond 64 MiB; `unordered` is bytes of frames that lead to later ones, which are stored in one
    transaction; `refs` is how many may be updated at once; `seconds` is the time that a transfer may take.
    """

    objects: int = 4_000_000
    bytes: int = 64 * GIB
    body: int = 48 << 20
    frame: int = 64 << 20
    ratio: int = 1000
    unordered: int = 128 << 20
    refs: int = 100_000
    seconds: int = 3600
    depth: int = MAX_DEPTH

    def announced(self) -> dict[str, int]:
        """Return the limits as they stand in hello."""
        return self._asdict()


# Who fetches chose the peer, and may want a blob of any size that the format allows.
FETCHING = Limits(
    objects=1 << 32, bytes=1 << 44, body=4 * GIB, frame=4 * GIB + (1 << 20), unordered=1 << 44, refs=1 << 24, seconds=7 * 86_400
)
SERVING = Limits()


def from_announcement(fields: Mapping[str, Any]) -> Limits:
    """Read the limits of a peer's hello; what it does not say is as large as can be."""
    known = {name: fields.get(name) for name in Limits._fields}
    return Limits(**{name: value if type(value) is int and value >= 0 else 1 << 62 for name, value in known.items()})


class Meter:
    """Counts what one transfer has brought, and refuses the frame that goes beyond a limit, by its header alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.frames = self.objects = self.raw = self.received = 0

    def take(self, header: Header) -> None:
        """Count one more frame. Raises Refused."""
        limits = self._limits
        self.frames += 1
        self.objects += header.objects
        self.raw += header.raw
        self.received += header.length
        if header.raw > limits.frame:
            raise _beyond(f"a frame of {header.raw:,} bytes of content", limits.frame)
        if self.objects > limits.objects:
            raise _beyond(f"a transfer of {self.objects:,} objects", limits.objects)
        if self.raw > limits.bytes:
            raise _beyond(f"a transfer of {self.raw:,} bytes of content", limits.bytes)
        if self.raw > RATIO_FREE + limits.ratio * self.received:
            raise Refused(
                f"{self.received:,} bytes that claim a content of {self.raw:,}; beyond 64 MiB the most is {limits.ratio} times",
                kind="limit-ratio",
            )


def _beyond(what: str, limit: int) -> Refused:
    return Refused(
        f"{what}; the most is {limit:,} here", hint="send less at once, or let the receiver raise the limit", kind="limit-exceeded"
    )
