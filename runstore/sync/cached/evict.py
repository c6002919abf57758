"""Keeping the cache small: beyond its limit, the oldest blobs that the bucket has leave it, and are promised from then on."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runstore.model.ids import Kind, Link
from runstore.runs.absence import PROMISED, mark_absent
from runstore.runs.index import rebuild
from runstore.store.lanes import LARGE, SMALL
from runstore.store.lmdb.store import LmdbStore
from runstore.store.protocol import LANE_SHIFT, Reader, Writer
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.store import BucketStore
from runstore.sync.cached.tracked import unpushed

LIMIT = 1 << 30
PAGE = 4096
_LEVEL = 3


def evict(cache: LmdbStore, bucket: Bucket, limit: int) -> int:
    """Bring the cache to four fifths of its limit if it is above it and blobs can do it; return how many left.

    The store is copied without them, so this is not done for a little. What is not in the bucket stays.
    """
    if file_size(cache) <= limit:
        return 0
    with cache.read() as reader:
        if unpushed(reader):
            return 0
    due = _live_bytes(cache) - limit * 4 // 5
    gone: list[Link] = []
    with BucketStore(bucket, bucket.load().root) as there, there.read() as source:

        def order(reader: Reader) -> Iterator[int]:
            leaving: set[int] = set()
            left = due
            for lane in (LARGE, SMALL):
                for address, obj in reader.between(lane << LANE_SHIFT | 1, (lane + 1) << LANE_SHIFT):
                    if left <= 0:
                        break
                    if obj.kind == Kind.BLOB and source.address(obj.id) is not None:
                        leaving.add(address)
                        gone.append(obj.link)
                        left -= len(obj.body)
            return (address for address, _ in reader.objects() if address not in leaving)

        def fill(writer: Writer) -> None:
            mark_absent(writer, gone, PROMISED, bucket.url)
            rebuild(writer)

        cache.rewrite(order, level=_LEVEL, rebuild=fill)
    return len(gone)


def _live_bytes(cache: LmdbStore) -> int:
    """Return what is in use of the data file: the rest is free pages, which go when it is copied."""
    pages: dict[str, dict[str, int]] = cache.stat()["pages"]
    return sum(table.get("pages", 0) for table in pages.values()) * PAGE


def file_size(cache: LmdbStore) -> int:
    """Return the bytes of the cache's data files."""
    names = [name for name in os.listdir(cache.directory) if name.startswith("data-") and not name.endswith("-lock")]
    return sum(os.stat(os.path.join(cache.directory, name)).st_size for name in names)
