"""Writing the journal: one file a process, appended to in one write a frame, and locked for as long as the process has it open.

What was appended is there after `kill -9`: the system has it. After a power cut it may not be. A fork leaves the file to the parent, and
the child begins its own. A file that has grown large is left for draining and another begun.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections import deque
from typing import NamedTuple

from runstore.capture.journal.frames import MAGIC, Entry, parts
from runstore.errors import Unavailable

DIRECTORY = "journal"
SUFFIX = ".journal"
ROTATE_BYTES = 16 << 20
MOST_BYTES = 1 << 30
Parts = tuple[bytes, ...]
_LIVE: weakref.WeakSet[Journal] = weakref.WeakSet()


class Full(Unavailable):
    """The journal holds as many bytes as it may: nobody has drained it."""

    kind = "journal-full"


class Ticket(NamedTuple):
    """Where a request was journalled before it was sent, so that its answer goes into the same file."""

    file: _File


class _File:
    """One journal file of this process."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, f"{time.time_ns() // 1000:016x}-{os.urandom(8).hex()}{SUFFIX}")
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # Held until the process ends, however it ends: whoever gets it knows that nobody writes here any more.
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0
        self.open_calls = 0
        self.left = False
        self.append((MAGIC,))

    def append(self, data: Parts) -> None:
        """Append in one write. What a full disk took of it is cut off again."""
        size = _length(data)
        try:
            written = os.writev(self.fd, data)
            if written != size:
                written += os.write(self.fd, b"".join(data)[written:])
            if written != size:
                raise OSError(28, "no space left on device")
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += size

    def removed(self) -> bool:
        """True if somebody has removed the file, with the store it may be: what is appended goes nowhere."""
        return os.fstat(self.fd).st_nlink == 0

    def close_if_done(self) -> None:
        """Leave the file to whoever drains, once no call is open in it."""
        if self.left and not self.open_calls and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Journal:
    """The journal of one store, as one process writes it. Threads share it; so do forked children, each with a file of its own."""

    def __init__(self, store: str, *, most_bytes: int = MOST_BYTES, rotate_bytes: int = ROTATE_BYTES) -> None:
        """`store` is the store's directory. Nothing is made before the first entry."""
        self.directory = os.path.join(store, DIRECTORY)
        self._most = most_bytes
        self._rotate = rotate_bytes
        self._begin()
        _LIVE.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0
        self._late: deque[tuple[Ticket | None, Parts]] = deque()
        self._file: _File | None = None
        self._others: int | None = None

    def append(self, entry: Entry) -> None:
        """Append an entry. When this returns it survives the end of the process. Raises OSError, or Full."""
        self._put(None, parts(entry))

    def begin(self, entry: Entry) -> Ticket:
        """Append an entry whose end will follow with `end`."""
        data = parts(entry)
        with self._lock:
            file = self._writable(_length(data))
            file.append(data)
            file.open_calls += 1
            return Ticket(file)

    def end(self, ticket: Ticket, entry: Entry) -> None:
        """Append the end of what was begun, to the same file; in a forked child to its own."""
        self._put(ticket, parts(entry))

    def _put(self, ticket: Ticket | None, data: Parts) -> None:
        if self._holder == threading.get_ident():
            # Python collects garbage wherever it likes, in the midst of writing too: a stream that nobody closed ends then.
            self._late.append((ticket, data))
            return
        with self._lock:
            self._holder = threading.get_ident()
            try:
                self._write(ticket, data)
                while self._late:
                    self._write(*self._late.popleft())
            finally:
                self._holder = 0

    def _write(self, ticket: Ticket | None, data: Parts) -> None:
        file = None if ticket is None else ticket.file
        if file is None or file.fd < 0 or file.removed():
            self._writable(_length(data)).append(data)
            if file is not None and file.fd >= 0:
                file.open_calls -= 1
                file.close_if_done()
            return
        try:
            file.append(data)
        finally:
            file.open_calls -= 1
            file.close_if_done()

    def close(self) -> None:
        """Leave the file to whoever drains. Another is begun if more comes."""
        with self._lock:
            while self._late:
                self._write(*self._late.popleft())
            self._leave()

    def forked(self) -> None:
        """In a child: let go of the parent's file. Closing it here leaves the parent's lock in force."""
        file = self._file
        if file is not None and file.fd >= 0:
            os.close(file.fd)
            file.fd = -1
        self._begin()

    def _writable(self, more: int) -> _File:
        """Return the file for `more` bytes, another one if this one has become large."""
        file = self._file
        if file is not None and (file.removed() or (file.size + more > self._rotate and file.size > len(MAGIC))):
            self._leave()
            file = None
        self._make_room(more, 0 if file is None else file.size)
        if file is None:
            file = self._file = _File(self.directory)
        return file

    def _make_room(self, more: int, own: int) -> None:
        if self._others is not None and self._others + own + more <= self._most:
            return
        os.makedirs(self.directory, 0o700, exist_ok=True)
        self._others = _size(self.directory) - own  # some of it may be drained by now
        if self._others + own + more > self._most:
            raise Full(
                f"the journal in {self.directory} holds {self._others + own} bytes, and may hold {self._most}",
                hint="`runstore log` drains it",
            )

    def _leave(self) -> None:
        if self._file is not None:
            self._file.left = True
            self._file.close_if_done()
            self._file = None
            self._others = None  # this one counts among them now


def _length(data: Parts) -> int:
    return sum(map(len, data))


def _size(directory: str) -> int:
    total = 0
    with os.scandir(directory) as found:
        for one in found:
            try:
                total += one.stat().st_size
            except FileNotFoundError:
                continue  # drained meanwhile
    return total


def _in_child() -> None:
    for journal in list(_LIVE):
        journal.forked()


os.register_at_fork(after_in_child=_in_child)
