"""The quarantine of a transfer: frames wait here, beside the store and never in it, until all of them are found good.

Small transfers stay in memory. A larger one lies in a file that is gone when it is closed, unless it is to be resumed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from typing import BinaryIO

from runstore.errors import Busy, Refused, Unavailable
from runstore.model.digest import checksum_of
from runstore.sync.frame import HEADER_BYTES, Frame, Header, read_header

IN_MEMORY = 8 << 20
KEPT_SECONDS = 3600
_NAME = re.compile(r"[0-9a-f]{32}\Z")
_SUFFIX = ".upload"
_PATIENCE, _PAUSE = 10.0, 0.02


class Spool:
    """Frames in the order in which they came. `directory` takes the file, and `name` (32 hex digits) makes it one that can be resumed."""

    def __init__(self, directory: str | None = None, name: str | None = None) -> None:
        if name is not None and not _NAME.match(name):
            raise Refused("an upload is named by 32 lower-case hex digits", kind="bad-message")
        self._directory = directory
        self._name = name if directory is not None else None
        self._memory: list[Frame] = []
        self._file: BinaryIO | None = None
        self._path: str | None = None
        self._offsets: list[int] = []
        self._size = 0
        self.headers: list[Header] = []

    def add(self, frame: Frame) -> None:
        """Keep one more frame. Raises Unavailable if there is no room."""
        self.headers.append(frame.header)
        self._size += HEADER_BYTES + frame.header.length
        if self._file is None and self._size <= IN_MEMORY:
            self._memory.append(frame)
            return
        try:
            if self._file is None:
                self._spill()
            self._write(frame)
        except OSError as error:
            raise Unavailable(f"no room for what comes in: {error.strerror}", kind="no-room") from error

    def _spill(self) -> None:
        if self._directory is not None:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if self._name is None or self._directory is None:
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - closed by `close`
        else:
            self._path = os.path.join(self._directory, self._name + _SUFFIX)
            self._file = _opened(self._path, os.O_CREAT)
            self._file.truncate()
        waiting, self._memory = self._memory, []
        for frame in waiting:
            self._write(frame)

    def _write(self, frame: Frame) -> None:
        assert self._file is not None
        self._offsets.append(self._file.seek(0, os.SEEK_END))
        self._file.write(frame.header.to_bytes())
        self._file.write(frame.data)

    def __len__(self) -> int:
        return len(self.headers)

    def frame(self, number: int) -> Frame:
        """Return a frame by its number."""
        if self._file is None:
            return self._memory[number]
        header = self.headers[number]
        self._file.seek(self._offsets[number] + HEADER_BYTES)
        return Frame(header, self._file.read(header.length))

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in order."""
        return (self.frame(number) for number in range(len(self)))

    def check(self) -> bytes:
        """Return the BLAKE3 of all headers one after another; nothing for no frames."""
        return headers_check(self.headers)

    def close(self, *, keep: bool = False) -> None:
        """Remove what was kept; with `keep`, a named file stays to be resumed. Idempotent."""
        self._memory = []
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._path is not None and not keep:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)


def headers_check(headers: list[Header]) -> bytes:
    """Return the BLAKE3 of headers one after another; nothing for no headers."""
    return checksum_of(header.to_bytes() for header in headers) if headers else b""


def resume(directory: str | None, name: str) -> Spool:
    """Return the spool of an interrupted upload with its whole frames, or an empty one. A frame that was cut off is dropped.

    Raises Busy if the upload is still being taken: the end of a connection may be noticed later here than where it was cut.
    """
    spool = Spool(directory, name)
    if directory is None:
        return spool
    path = os.path.join(directory, name + _SUFFIX)
    try:
        file = _opened(path)
    except FileNotFoundError:
        return spool
    spool._path, spool._file = path, file
    size = file.seek(0, os.SEEK_END)
    at = 0
    while at + HEADER_BYTES <= size:
        file.seek(at)
        try:
            header = read_header(file.read(HEADER_BYTES))
        except Refused:
            break
        if at + HEADER_BYTES + header.length > size:
            break
        spool.headers.append(header)
        spool._offsets.append(at)
        at += HEADER_BYTES + header.length
    file.truncate(at)
    spool._size = at
    return spool


def _opened(path: str, flags: int = 0) -> BinaryIO:
    """Open the file of an upload for this process, and this thread, alone. Raises Busy, FileNotFoundError."""
    until = time.monotonic() + _PATIENCE
    while True:
        file = open(os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600), "r+b")  # noqa: SIM115 - belongs to the spool
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            if time.monotonic() > until:
                raise Busy("the upload is still being taken", hint="try again in a while") from None
            time.sleep(_PAUSE)
            continue
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # whoever had it has finished it


def sweep(directory: str | None, now: float) -> None:
    """Remove interrupted uploads that were not touched for an hour. `now` is seconds since 1970."""
    if directory is None or not os.path.isdir(directory):
        return
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            if name.endswith(_SUFFIX) and os.stat(path).st_mtime < now - KEPT_SECONDS:
                os.unlink(path)
