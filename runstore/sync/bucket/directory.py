"""A bucket in a plain directory: to copy to a medium, to serve as static files, to share over a file system that keeps locks.

Every file is put in place whole and durable; conditions are checked under a lock on the directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from runstore.errors import Unavailable
from runstore.model.digest import checksum
from runstore.store.directory import write_file
from runstore.sync.bucket.files import Found, Listed, whole
from runstore.sync.bucket.root import MAGIC, ROOT

_LOCK = ".lock"
_TEMPORARY = ".tmp-"


class DirectoryFiles:
    """The files below a directory. It is made when something is written."""

    def __init__(self, url: str, directory: str) -> None:
        self.url = url
        self.place = f"dir://{os.path.realpath(directory)}"
        self._directory = directory

    def read(self, name: str, most: int) -> Found | None:
        """Return a whole file, or None if there is none."""
        return whole(self, name, most)

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Return bytes of a file."""
        with self._named():
            try:
                with open(self._path(name), "rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(start)
                    return file.read(max(0, min(length, size - start)))  # the length may be a limit far beyond the file
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""
        with self._named():
            path = self._path(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_file(path, data)

    def create(self, name: str, data: bytes) -> str | None:
        """Write a file if there is none of the name."""
        with self._locked():
            if os.path.lexists(self._path(name)):
                return None
            self.put(name, data)
            return checksum(data).hex()

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        """Write a file if it stands at this version."""
        with self._locked():
            found = self.part(name, 0, 1 << 62)
            if found is None or checksum(found).hex() != version:
                return None
            self.put(name, data)
            return checksum(data).hex()

    def delete(self, name: str) -> None:
        """Remove a file."""
        with self._named(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the files below a prefix."""
        with self._named():
            try:
                names = sorted(os.listdir(self._path(prefix)))
            except FileNotFoundError:
                return
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(self._path(f"{prefix}/{name}"))
                    if not name.startswith(_TEMPORARY):
                        yield Listed(f"{prefix}/{name}", found.st_size, found.st_mtime_ns // 1000)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, *name.split("/"))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._named():
            os.makedirs(self._directory, exist_ok=True)
            fd = os.open(self._path(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with self._named():
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            # A process that was forked meanwhile has the file open too: closing it would not give the lock back.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            raise
        except OSError as error:
            raise Unavailable(f"{self.url}: {error.strerror}") from error


def is_bucket(path: str) -> bool:
    """True if a directory holds a bucket's root."""
    try:
        with open(os.path.join(path, ROOT), "rb") as file:
            return file.read(6) == MAGIC[:6]
    except OSError:
        return False
