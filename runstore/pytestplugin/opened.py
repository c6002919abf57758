"""The files of recordings that a session has open: each is read once, and again when it has changed."""

from __future__ import annotations

from runstore.reproduce.recordings.files import Recordings


class Opened:
    """What a session has read, and `begun`: the shared recordings (file and ref) that it has begun to record anew."""

    def __init__(self) -> None:
        self._read: dict[str, Recordings] = {}
        self.begun: set[tuple[str, str]] = set()

    def recordings(self, path: str) -> Recordings:
        """Return the recordings of a file. Raises what reading them raises."""
        found = self._read.get(path)
        if found is None:
            found = self._read[path] = Recordings(path)
        return found

    def forget(self, path: str) -> None:
        """Let a file be read again: it changes."""
        found = self._read.pop(path, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close all of them."""
        for path in list(self._read):
            self.forget(path)
