"""Checking a data file: its pages, its segments, and that index and segments say the same, both ways.

The pages are walked with plain reads first: the engine is not let near a file whose pages do not hang together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged, NotFound
from runstore.model.ids import Kind, Link
from runstore.store.addresses import ADDRESS_BYTES, FIRST, LANE_SHIFT, LANES, NOT_HERE
from runstore.store.checks import Finding, Progress
from runstore.store.frames import Segment
from runstore.store.lanes import lane_for
from runstore.store.lmdb import pages
from runstore.store.lmdb.header import read_head
from runstore.store.lmdb.index import PREFIX
from runstore.store.lmdb.read import LmdbReader
from runstore.store.lmdb.values import from_value, open_value

if TYPE_CHECKING:
    from runstore.store.lmdb.store import LmdbStore


def verify(store: LmdbStore, progress: Progress) -> Iterator[Finding]:
    """Yield what is wrong with what is committed now. Reads a snapshot and changes nothing."""
    with store.read() as reader:
        broken = _pages(reader)
        if broken is not None:
            yield broken
            return
        confirmed = 0
        expected = dict(zip(LANES, FIRST, strict=True))
        for key, value in reader.raw.cursor(reader.env.segments).iternext():
            segment, findings = _segment(key, value, expected)
            yield from findings
            if segment is not None:
                for finding in _objects(reader, segment):
                    if finding is None:
                        confirmed += 1
                    else:
                        yield finding
                progress(segment.n)
        if confirmed != reader.count():
            yield from _strays(reader)


def _pages(reader: LmdbReader) -> Finding | None:
    env = reader.env
    # The reader's snapshot keeps the pages of every later state from being used again while they are walked.
    head = read_head(env.fd, env.path)
    seen = bytearray(head.last_page // 8 + 1)
    try:
        for extent in pages.used(env.fd, head):
            for page in range(extent.page, extent.page + extent.pages):
                if seen[page >> 3] >> (page & 7) & 1:
                    raise pages.Broken(f"page {page} is used twice")
                seen[page >> 3] |= 1 << (page & 7)
    except pages.Broken as error:
        return Finding("pages", env.path, f"the pages of {env.path} do not hang together: {error}; bring the store back from a copy")
    return None


def _segment(key: bytes, value: bytes, expected: dict[int, int]) -> tuple[Segment | None, list[Finding]]:
    first = int.from_bytes(key, "big")
    place = f"address {first:#x}"
    wanted = expected.get(first >> LANE_SHIFT)
    if len(key) != ADDRESS_BYTES or wanted is None:
        return None, [Finding("segment", place, f"a segment lies at {place}, which no lane has")]
    findings = []
    if first != wanted:
        findings.append(Finding("gap", place, f"a segment begins at {place}, and the one before it ends at address {wanted:#x}"))
    segment = None
    try:
        expected[first >> LANE_SHIFT] = first + from_value(value).n
        segment = open_value(value, first)
    except Damaged as error:
        findings.append(Finding("damaged", place, str(error)))
    return segment, findings


def _objects(reader: LmdbReader, segment: Segment) -> Iterator[Finding | None]:
    """Yield None for each object that is as it should be, else a finding."""
    for i in range(segment.n):
        address = segment.first + i
        found = segment.make(i)
        if not reader.lists(found.id, address):
            yield Finding(
                "damaged", f"address {address:#x}", f"the bytes at address {address:#x} are not those of any object that the index knows"
            )
        elif lane_for(found.kind, len(found.body)) != address >> LANE_SHIFT:
            yield Finding(
                "lane", str(Link(Kind(found.kind), found.id)), f"the object at address {address:#x} does not belong into its lane"
            )
        else:
            yield None


def _strays(reader: LmdbReader) -> Iterator[Finding]:
    for row in reader.index():
        prefix, address = row[:PREFIX], int.from_bytes(row[PREFIX:], "big")
        if address >= NOT_HERE:
            continue
        name = f"{prefix.hex()}…"
        try:
            segment = reader.segment(address)
            if segment.make(address - segment.first).id[:PREFIX] == prefix:
                continue
            message = f"the object {name} at address {address:#x} does not have the bytes that its id names"
        except NotFound:
            message = f"the object {name} is listed at address {address:#x}, and nothing is there"
        except Damaged as error:
            message = f"the object {name} at address {address:#x} cannot be read: {error}"
        again = _sound_copy(reader, prefix, address)
        if again is None:
            yield Finding("unreadable", name, message)
        else:
            told = f"{message}; a sound copy was stored at address {again:#x} since, and `runstore pack` drops the damaged one"
            yield Finding("damaged-copy", name, told)


def _sound_copy(reader: LmdbReader, prefix: bytes, but: int) -> int | None:
    for address in reader.candidates(prefix):
        try:
            if address != but and reader.segment(address).make(address - reader.segment(address).first).id[:PREFIX] == prefix:
                return address
        except (Damaged, NotFound):
            continue
    return None
