"""A bucket behind a static web server: the same files, only read.

A server that knows no ranges gives whole files; then as much is read as was asked for, and the connection is closed.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse

from runstore.errors import Unavailable
from runstore.sync.bucket.files import Found, Listed, read_only, whole
from runstore.sync.bucket.root import MAGIC

_SECONDS = 60
_STEP = 1 << 20


class StaticFiles:
    """What lies below a URL. `parse_url` has checked that it is one of http or https."""

    def __init__(self, url: str) -> None:
        self.url = self.place = url
        self._base = url.rstrip("/")

    def read(self, name: str, most: int) -> Found | None:
        """Return a whole file, or None if there is none."""
        return whole(self, name, most)

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Return bytes of a file."""
        request = urllib.request.Request(f"{self._base}/{name}", headers={"Range": f"bytes={start}-{start + length - 1}"})  # noqa: S310 - of http
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the same
                if answer.status != 206:
                    _read(answer, start)
                return _read(answer, length)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    return None
                if error.code == 416:
                    return b""
            raise Unavailable(f"{self.url} answers {error.code} for {name}") from error
        except (OSError, HTTPException) as error:
            raise Unavailable(f"{self.url} cannot be reached: {getattr(error, 'reason', error)}") from error

    def is_bucket(self) -> bool:
        """True if there is a root of a bucket: so this is no server that speaks the protocol."""
        try:
            return (self.part("root", 0, len(MAGIC)) or b"")[:6] == MAGIC[:6]
        except Unavailable:
            return False

    def put(self, name: str, data: bytes) -> None:
        """Raise Unavailable."""
        read_only(self.url)

    def create(self, name: str, data: bytes) -> str | None:
        """Raise Unavailable."""
        read_only(self.url)

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        """Raise Unavailable."""
        read_only(self.url)

    def delete(self, name: str) -> None:
        """Raise Unavailable."""
        read_only(self.url)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Raise Unavailable."""
        read_only(self.url)


def _read(answer: HTTPResponse, length: int) -> bytes:
    """Read so many bytes or to the end; memory grows with what is really there."""
    parts: list[bytes] = []
    left = length
    while left and (part := answer.read(min(left, _STEP))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
