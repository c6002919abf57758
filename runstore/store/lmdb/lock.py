"""The lock of a store's writers: one thread of one process at a time, with a time limit.

The engine's own lock waits for ever, so this one is taken before it. It is a POSIX record lock on the file `lock`, which the kernel
drops when its process ends, however it ends, and which a forked child does not inherit. Three bytes of the file have a meaning:
0 is held by whoever may move the store (a transaction, a rewrite), 1 during transactions only, so who opens a store waits for byte 1
and never for a rewrite; 2 by the process that is next, so that one that takes the lock again at once cannot starve the others.
"""

from __future__ import annotations

import fcntl
import os
from _thread import allocate_lock, get_ident  # `threading` takes a millisecond to import
from time import monotonic, sleep

from runstore.errors import Busy, NoStore, Unavailable

_MOVING, _WRITING, _NEXT = 0, 1, 2
_FIRST_PAUSE, _PAUSE_IN_QUEUE, _PAUSE_AS_NEXT = 0.00005, 0.005, 0.0005


class WriteLock:
    """The lock of one store in one process. Not reentrant: a second use by the same thread raises Busy at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._thread = allocate_lock()
        self._owner = 0

    def acquire(self, timeout: float, *, opening: bool = False) -> None:
        """Take it within `timeout` seconds; `opening` takes only what a rewrite leaves free. Raises Busy or Unavailable."""
        me = get_ident()
        if self._owner == me:
            raise Busy("this thread is already writing to the store", hint="end its transaction first", kind="nested-write")
        deadline = monotonic() + timeout
        if not self._thread.acquire(timeout=timeout):
            raise Busy(f"another thread has been writing for over {timeout:g} s", hint="try again later")
        try:
            self._acquire_file(_WRITING if opening else _MOVING, deadline, timeout)
        except BaseException:
            self._thread.release()
            raise
        self._owner = me

    def _acquire_file(self, start: int, deadline: float, timeout: float) -> None:
        while True:
            fd = self._open()
            # Nearly always nobody waits: all is taken at once, and the place of the next given back.
            if not _try_lock(fd, start, _NEXT):
                try:
                    self._wait(fd, _NEXT, _NEXT, deadline, timeout, _PAUSE_IN_QUEUE)
                    self._wait(fd, start, _WRITING, deadline, timeout, _PAUSE_AS_NEXT)
                except BaseException:
                    fcntl.lockf(fd, fcntl.LOCK_UN)
                    raise
            fcntl.lockf(fd, fcntl.LOCK_UN, 1, _NEXT)
            if os.fstat(fd).st_nlink:
                return
            self.close()  # the store was removed, and perhaps made anew: this lock excludes nobody

    def _wait(self, fd: int, first: int, last: int, deadline: float, timeout: float, longest: float) -> None:
        pause = _FIRST_PAUSE
        while not _try_lock(fd, first, last):
            if monotonic() >= deadline:
                raise Busy(f"another process has been writing for over {timeout:g} s", hint="try again later")
            sleep(pause)
            pause = min(pause * 1.5, longest)

    def is_mine(self) -> bool:
        """True if this thread holds it."""
        return self._owner == get_ident()

    def release(self) -> None:
        """Give it back."""
        self._owner = 0
        fcntl.lockf(self._fd, fcntl.LOCK_UN)
        self._thread.release()

    def keep_moving_only(self) -> None:
        """Let others open the store while this thread goes on holding the right to move it."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _WRITING)

    def close(self) -> None:
        """Close the file. Nobody may hold the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        # Opened once and kept: closing any descriptor of the file would drop the lock of the whole process.
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                raise NoStore(f"there is no store in {os.path.dirname(self._path)} any more", hint="`runstore init` makes one") from None
            except OSError as error:
                raise Unavailable(
                    f"{self._path} may not be written: {error.strerror}",
                    hint="check the permissions of the store's directory",
                    kind="read-only",
                ) from error
        return self._fd


def _try_lock(fd: int, first: int, last: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, last - first + 1, first)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: somebody has it
        return False
    return True
