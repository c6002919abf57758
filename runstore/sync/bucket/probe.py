"""Does a remote keep conditions on writes? Some servers answer yes and overwrite: there, whoever writes last wins, and runs are lost.

Tried on an object of its own, never on the root.
"""

from __future__ import annotations

import contextlib
import os

from runstore.errors import Refused, Unavailable
from runstore.sync.bucket.files import Files


def probe(files: Files) -> None:
    """Raise Refused, with the reason, unless a second create and a write over a stale version fail, and one over the right one succeeds."""
    name = f"probe/{os.urandom(16).hex()}"
    try:
        _probe(files, name)
    finally:
        with contextlib.suppress(Unavailable):
            files.delete(name)


def _probe(files: Files, name: str) -> None:
    first = files.create(name, b"1")
    if first is None:
        # A retry within the client meets what the first attempt made, if that one's answer was lost.
        found = files.read(name, 1)
        if found is None or found.data != b"1":
            raise _refused(files, "says of an object that nobody wrote that it exists")
        first = found.version
    if files.create(name, b"2") is not None or _content(files, name) != b"1":
        raise _refused(files, "overwrites an object that is to be created (If-None-Match)")
    second = files.replace(name, b"3", first)
    if second is None:
        found = files.read(name, 1)
        if found is None or found.data != b"3":
            raise _refused(files, "refuses to replace an object at the version that it gave (If-Match)")
    if files.replace(name, b"4", first) is not None or _content(files, name) != b"3":
        raise _refused(files, "overwrites an object at a stale version (If-Match)")


def _content(files: Files, name: str) -> bytes | None:
    found = files.read(name, 1)
    return None if found is None else found.data


def _refused(files: Files, fact: str) -> Refused:
    return Refused(
        f"{files.url} cannot hold a store: the server {fact}",
        hint="use object storage that keeps conditional writes, or put a `runstore serve` before this one (docs/how-to/many-machines.md)",
        kind="no-conditional-writes",
    )
