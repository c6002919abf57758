"""What the engine says, in our words: its errors become ours, by what a caller would do about them."""

from __future__ import annotations

import errno
import os

import lmdb

from runstore.errors import Busy, Closed, Damaged, Refused, RunstoreError, Unavailable

_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.BadValsizeError, lmdb.IncompatibleError)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = 1 << 20


class Gone:
    """Stands where a transaction's cursors were, once it is over: every use raises Closed."""

    def __getattr__(self, name: str) -> object:
        raise Closed("this transaction is over", hint="use a reader or writer inside its `with` block only")


GONE = Gone()


def code(error: lmdb.Error) -> int:
    """Return the system's error number behind an error of the engine, or 0."""
    number = getattr(error, "code", 0)
    return number if isinstance(number, int) and number > 0 else 0


def is_read_only(error: lmdb.Error | OSError) -> bool:
    """True if the system lets us read and not write."""
    if isinstance(error, OSError):
        return error.errno in _READ_ONLY
    return isinstance(error, lmdb.ReadonlyError) or code(error) in _READ_ONLY


def translate(error: lmdb.Error | OSError, path: str, *, writing: bool = False) -> RunstoreError:
    """Return our error for the engine's or the system's, naming the data file. `writing` says that a transaction had changes."""
    if isinstance(error, OSError):
        return _system(error.errno or 0, error.strerror or str(error), path)
    if isinstance(error, lmdb.MapFullError):
        return Unavailable(f"{path} has reached the size of its map", hint="open the store with a larger map_size", kind="map-full")
    if isinstance(error, lmdb.ReadersFullError):
        return Busy(f"{path} has no free place for another reader", hint="close readers that are no longer used", kind="readers-full")
    if isinstance(error, lmdb.VersionMismatchError):
        return Refused(f"{path} was written by another version of the engine", hint="open it with a newer runstore", kind="newer-format")
    # Only a bad page makes a transaction unusable that changed nothing.
    if isinstance(error, _DAMAGED) or (isinstance(error, lmdb.BadTxnError) and not writing):
        return Damaged(f"{path} is damaged: {error}", hint="`runstore fsck` tells the extent")
    if isinstance(error, (lmdb.BadTxnError, lmdb.PanicError)):
        return Unavailable(f"{path}: an earlier error ended this transaction; nothing of it was stored", kind="aborted")
    if isinstance(error, (lmdb.DiskError, lmdb.MemoryError)) and not code(error):
        return _system(errno.ENOSPC if isinstance(error, lmdb.DiskError) else errno.ENOMEM, str(error), path)
    if isinstance(error, lmdb.ReadonlyError):
        return _system(errno.EROFS, str(error), path)
    return _system(code(error), str(error), path)


def _has_no_room(path: str) -> bool:
    """True if the disk, or what this process may write to one file, is used up but for what no write fills."""
    import resource  # hardly ever needed

    try:
        place = os.statvfs(os.path.dirname(path))
        size = os.path.getsize(path)
    except OSError:
        return False
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return place.f_bavail * place.f_frsize < _ROOM or (limit != resource.RLIM_INFINITY and size + _ROOM > limit)


def _system(number: int, text: str, path: str) -> RunstoreError:
    if number in FULL:
        return Unavailable(
            f"no room to write {path}: {text}", hint="free some space and run it again; what was stored before stands", kind="disk-full"
        )
    if number in _READ_ONLY:
        return Unavailable(f"{path} may not be written: {text}", hint="check the permissions of the store's directory", kind="read-only")
    if number == errno.EIO and _has_no_room(path):
        return _system(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if number == errno.EIO:  # the engine says this also where a write was cut short for want of room
        hint = "look for free space and at the system's log; what was stored before stands"
        return Unavailable(f"{path} could not be read or written in full: {text}", hint=hint, kind="io")
    if number == errno.EINVAL:
        return Damaged(f"{path} is damaged: {text}", hint="`runstore fsck` tells the extent")
    return Unavailable(f"{path}: {text}")
