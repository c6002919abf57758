"""The seam below a bucket: named objects, some of them written on a condition. Object storage, a directory and a web server are behind it.

A name is made by this program alone (`root`, `packs/…`, `refs/…`, `probe/…`), so what a bucket holds cannot lead anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NoReturn, Protocol

from runstore.errors import Refused, Unavailable
from runstore.model.digest import checksum


class Found(NamedTuple):
    """A whole object, and what tells this version of it from others."""

    data: bytes
    version: str


class Listed(NamedTuple):
    """An object in a listing: its name, its bytes, and when it was written (microseconds since 1970 UTC, by the other side's clock)."""

    name: str
    size: int
    written: int


class Files(Protocol):
    """Where a bucket lies. Threads may share one. What cannot be done raises Unavailable; whether a write was done is then not known."""

    url: str
    place: str  # where it really lies, server and all: two URLs that are the same may lead to two servers

    def read(self, name: str, most: int) -> Found | None:
        """Return a whole object, or None if there is none. Raises Refused for one of more than `most` bytes."""

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Return bytes of an object, fewer where it ends before; None if there is none."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object under a name that nobody else uses."""

    def create(self, name: str, data: bytes) -> str | None:
        """Write an object if there is none of the name; return its version, or None if there is one."""

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        """Write an object if it stands at this version; return the new one, or None if it stands at another."""

    def delete(self, name: str) -> None:
        """Remove an object. Nothing happens if there is none."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a prefix (`packs`), as of some moment not long ago."""


def whole(files: Files, name: str, most: int) -> Found | None:
    """As `Files.read`, where an object's version is the hash of its bytes."""
    data = files.part(name, 0, most + 1)
    if data is None:
        return None
    if len(data) > most:
        raise too_large(files.url, name, most)
    return Found(data, checksum(data).hex())


def read_only(url: str) -> NoReturn:
    """Raise the error for a write to what is only read."""
    raise Unavailable(f"{url} is a static copy, which is only read", hint="push to where it is copied from", kind="read-only")


def too_large(url: str, name: str, most: int) -> Refused:
    """Return the error for an object that is larger than it may be."""
    return Refused(f"{name} in {url} has more than {most:,} bytes", kind="limit-exceeded")
