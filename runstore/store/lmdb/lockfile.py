"""The engine's lock file, made with all its bytes before the engine maps it.

The engine makes it by its length alone and writes through a memory map. Where the disk has no room for those bytes, that kills the process.
"""

from __future__ import annotations

import contextlib
import errno
import os

from runstore.store.lmdb.errors import FULL

# Room for 254 readers of 64 bytes and the engine's own head (mdb.c of LMDB 0.9, mdb_env_setup_locks, which takes a longer file as it is).
SIZE = 1 << 14


def reserve(path: str, mode: int) -> None:
    """Make the lock file of a data file, if it is not there and may be made. Raises OSError if the disk has no room for it."""
    lock = path + "-lock"
    if os.path.exists(lock):
        return
    temporary = os.path.join(os.path.dirname(path), f".tmp-{os.path.basename(lock)}-{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            if os.write(fd, bytes(SIZE)) < SIZE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), lock)
        finally:
            os.close(fd)
        os.link(temporary, lock)  # another process may have made it meanwhile, and be using it
    except OSError as error:
        if error.errno in FULL:
            raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
