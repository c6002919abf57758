"""The pages of a data file, walked with plain reads: which are used, and do they hang together.

Needed where the engine itself would be at risk: a file that is shorter than its last page may still be whole (free pages at the end
were never written), and a checker must not be killed by what it checks.
Layout: mdb.c of LMDB 0.9, `MDB_page`, `MDB_node`, `MDB_db`, 64 bit, native byte order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from runstore.store.lmdb.header import PAGE_HEADER, TABLE, Head

P_BRANCH, P_LEAF, P_OVERFLOW, P_LEAF2 = 0x01, 0x02, 0x04, 0x20
F_BIGDATA, F_SUBDATA = 0x01, 0x02
NO_PAGE = 0xFFFFFFFFFFFFFFFF
_HEAD = Struct("=QHHHH")  # page number, pad, flags, lower, upper
_NODE = Struct("=HHHH")  # low and high size or page number, flags (or more page number), key size
_OFFSET = Struct("=H")
_NUMBER = Struct("=Q")
_COUNT = Struct("=I")
_MAX_DEPTH = 32


class Broken(Exception):
    """A page is not what the pages above it say."""


class Extent(NamedTuple):
    """A run of pages in use."""

    page: int
    pages: int


def all_within(fd: int, head: Head, size: int) -> bool:
    """True if every page in use lies within the first `size` bytes of the file."""
    try:
        return all((extent.page + extent.pages) * head.page_size <= size for extent in used(fd, head))
    except Broken:
        return False


def used(fd: int, head: Head) -> Iterator[Extent]:
    """Yield the extents of all pages that the two root tables lead to, overflow pages and tables within tables included. Raises Broken."""
    yield Extent(0, 2)
    walk = _Walk(fd, head)
    for table in (head.free, head.main):
        yield from walk.table(table)


class _Walk:
    def __init__(self, fd: int, head: Head) -> None:
        self.fd = fd
        self.page_size = head.page_size
        self.last = head.last_page

    def table(self, record: bytes) -> Iterator[Extent]:
        """Yield the extents of a table given by its record."""
        root = TABLE.unpack(record)[7]
        depth = TABLE.unpack(record)[2]
        if root == NO_PAGE:
            return
        if depth > _MAX_DEPTH:
            raise Broken(f"a table claims {depth} levels")
        stack = [(root, depth)]
        while stack:
            number, levels = stack.pop()
            page = self._read(number)
            yield Extent(number, 1)
            flags = _HEAD.unpack_from(page)[2]
            if flags & P_BRANCH and levels > 1:
                stack.extend((child, levels - 1) for child in self._children(page, number))
            elif flags & P_LEAF and levels == 1:
                if not flags & P_LEAF2:
                    yield from self._leaf(page, number)
            else:
                raise Broken(f"page {number} has flags {flags:#x} at {levels} levels above the ground")

    def _read(self, number: int) -> bytes:
        if not 2 <= number <= self.last:
            raise Broken(f"page {number} is outside the file")
        page = os.pread(self.fd, self.page_size, number * self.page_size)
        if len(page) < self.page_size or _HEAD.unpack_from(page)[0] != number:
            raise Broken(f"page {number} is missing or not that page")
        return page

    def _nodes(self, page: bytes, number: int) -> Iterator[tuple[int, int, int, int]]:
        lower, upper = _HEAD.unpack_from(page)[3:5]
        count = (lower - PAGE_HEADER) // 2
        if not PAGE_HEADER <= lower <= upper <= self.page_size:
            raise Broken(f"page {number} has impossible bounds")
        for i in range(count):
            at = _OFFSET.unpack_from(page, PAGE_HEADER + 2 * i)[0]
            if not upper <= at <= self.page_size - _NODE.size:
                raise Broken(f"page {number} has a node outside itself")
            low, high, flags, key_size = _NODE.unpack_from(page, at)
            if at + _NODE.size + key_size > self.page_size:
                raise Broken(f"page {number} has a key outside itself")
            yield at + _NODE.size + key_size, low | high << 16, flags, key_size

    def _children(self, page: bytes, number: int) -> Iterator[int]:
        for _, low, flags, _ in self._nodes(page, number):
            yield low | flags << 32

    def _leaf(self, page: bytes, number: int) -> Iterator[Extent]:
        for at, size, flags, _ in self._nodes(page, number):
            if flags & F_BIGDATA:
                if at + 8 > self.page_size:
                    raise Broken(f"page {number} has data outside itself")
                yield self._overflow(_NUMBER.unpack_from(page, at)[0])
            elif at + size > self.page_size:
                raise Broken(f"page {number} has data outside itself")
            elif flags & F_SUBDATA:
                yield from self.table(page[at : at + TABLE.size])

    def _overflow(self, number: int) -> Extent:
        if not 2 <= number <= self.last:
            raise Broken(f"overflow page {number} is outside the file")
        head = os.pread(self.fd, PAGE_HEADER, number * self.page_size)
        if len(head) < PAGE_HEADER:
            raise Broken(f"overflow page {number} is missing")
        found, _, flags, _, _ = _HEAD.unpack_from(head)
        count = _COUNT.unpack_from(head, 12)[0]
        if found != number or not flags & P_OVERFLOW or not 1 <= count <= self.last - number + 1:
            raise Broken(f"overflow page {number} is not one")
        return Extent(number, count)
