"""The head of a data file, read with plain reads before the engine maps it.

A mapped file that is shorter than its pages kills the process by SIGBUS at the first touch of what is missing, and no handler can
mend that. So whether the file is one of the engine's, of a version we know, and as long as it says, is found out first.
Layout: lmdb.h and mdb.c of LMDB 0.9 (data version 1), `MDB_page` and `MDB_meta`, 64 bit, native byte order.
"""

from __future__ import annotations

import os
from struct import Struct

from runstore.errors import Damaged, Refused
from runstore.tuples import NamedTuple

MAGIC = 0xBEEFC0DE
DATA_VERSION = 1
PAGE_HEADER = 16
P_META = 0x08
MAKING = 2  # the transactions of `create_env`: its tables, then its format and generation
_PAGE = Struct("=QHHI")  # page number, pad, flags, lower and upper or the number of overflow pages
_META = Struct("=IIQQ48s48sQQ")  # magic, version, address, map size, free table, main table, last page, transaction
TABLE = Struct("=IHHQQQQQ")  # pad (of the free table: the page size), flags, depth, branch, leaf, overflow pages, entries, root
_PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)


class Head(NamedTuple):
    """What the newer of the two meta pages says."""

    page_size: int
    last_page: int
    transaction: int
    free: bytes
    main: bytes

    @property
    def needed(self) -> int:
        """The bytes that a file with all its pages has."""
        return (self.last_page + 1) * self.page_size


def read_head(fd: int, path: str) -> Head:
    """Read both meta pages of a data file. Raises Damaged for what is no whole data file's head, Refused for another version."""
    size = os.fstat(fd).st_size
    first = _read_meta(fd, 0, path)
    if size < 2 * first.page_size:
        raise Damaged(f"{path} is cut short: {size:,} bytes, not even its two head pages", hint="bring it back from a copy")
    second = _read_meta(fd, first.page_size, path)
    return second if second.transaction > first.transaction else first


def was_written(path: str) -> bool:
    """True if a data file may hold more than the empty tables that its making left: also if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return os.fstat(fd).st_size > 0 and read_head(fd, path).transaction > MAKING
    except (Damaged, Refused):
        return True
    finally:
        os.close(fd)


def _read_meta(fd: int, at: int, path: str) -> Head:
    data = os.pread(fd, PAGE_HEADER + _META.size, at)
    if len(data) < PAGE_HEADER + _META.size:
        raise Damaged(f"{path} is cut short: its head ends after {at + len(data):,} bytes", hint="bring it back from a copy")
    _, _, flags, _ = _PAGE.unpack_from(data)
    magic, version, _, _, free, main, last_page, transaction = _META.unpack_from(data, PAGE_HEADER)
    if not flags & P_META or magic != MAGIC:
        raise Damaged(f"{path} is not a data file of a store", hint="exchange packs; never copy a data file of another program here")
    if version != DATA_VERSION:
        raise Refused(
            f"{path} has data version {version}, and this program reads {DATA_VERSION}", hint="use a newer runstore", kind="newer-format"
        )
    page_size = TABLE.unpack(free)[0]
    if page_size not in _PAGE_SIZES:
        raise Damaged(f"{path} claims pages of {page_size:,} bytes", hint="bring it back from a copy")
    return Head(page_size, last_page, transaction, free, main)
