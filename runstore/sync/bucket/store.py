"""A bucket as a store that is only read: what the endpoint serves to those who fetch from it.

It stands for one root, the one that was there when it was opened. Objects are read from their frames, a few at a time or a pack at a time,
and verified. What lies in a store near by is taken from there instead.
"""

from __future__ import annotations

import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, BinaryIO

from runstore.errors import Closed, Damaged, NotFound, Refused, Unavailable
from runstore.model.ids import Object
from runstore.store.checks import Finding, Progress
from runstore.store.frames import Segment
from runstore.store.lanes import LARGE
from runstore.store.protocol import LANE_SHIFT, Reader
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.index import PackIndex
from runstore.sync.bucket.reader import BucketReader
from runstore.sync.bucket.root import Root
from runstore.sync.frame import HEADER_BYTES, Frame, open_frame
from runstore.sync.unwritten import Unwritten, rows_of_refs

_SMALL_PACK = 4 << 20
_AHEAD = 1 << 20
_CACHED = 64 << 20
SEQUENCE = (1 << LANE_SHIFT) - 1
Near = Callable[[bytes], Object | None]


class BucketStore(Unwritten):
    """The objects and refs of one root. `near` gives objects that are at hand. Threads may share it; close it."""

    def __init__(self, bucket: Bucket, root: Root, *, near: Near | None = None) -> None:
        self.bucket = bucket
        self.root = root
        self.near = near
        self._lock = threading.RLock()
        self._indexes: list[PackIndex] | None = None
        self._refs: dict[bytes, bytes] | None = None
        self._bytes: dict[tuple[int, int], bytes] = {}  # frames and small packs as they came, the ones used last at the end
        self._held = 0
        self._segments: dict[tuple[int, int], Segment] = {}
        self._files: dict[int, BinaryIO] = {}
        self._closed = False

    def __enter__(self) -> BucketStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what the reader asks for ------------------------------------------------------------------------------------------

    @property
    def indexes(self) -> list[PackIndex]:
        """The indexes of all packs, fetched when they are first needed."""
        with self._lock:
            if self._indexes is None:
                self._indexes = self.bucket.indexes(self.root)
                self.firsts = list(accumulate((len(index) for index in self._indexes), initial=1))
            return self._indexes

    def refs_table(self) -> dict[bytes, bytes]:
        """Return the rows of the table of refs, as that layer writes them."""
        with self._lock:
            if self._refs is None:
                self._refs = rows_of_refs(self.bucket.refs(self.root))
            return self._refs

    def place(self, address: int) -> tuple[int, int]:
        """Return the number of the pack in which the object at an address lies, and that of the object in it. Raises NotFound."""
        indexes, sequence = self.indexes, address & SEQUENCE
        pack = bisect_right(self.firsts, sequence) - 1 if sequence else -1
        if not 0 <= pack < len(indexes) or self.address(pack, number := sequence - self.firsts[pack]) != address:
            raise NotFound(f"no object is at address {address:#x}")
        return pack, number

    def address(self, pack: int, number: int) -> int:
        """Return the address of the object at a number in a pack."""
        index = self.indexes[pack].index
        return index.headers[index.place(number).frame].lane << LANE_SHIFT | self.firsts[pack] + number

    def id_at(self, address: int) -> bytes:
        """Return the id that the index gives for an address. Raises NotFound."""
        pack, number = self.place(address)
        return self.indexes[pack].index.id(number)

    def segment(self, pack: int, frame: int) -> Segment:
        """Return the content of a frame. Raises Damaged."""
        with self._lock:
            found = self._segments.pop((pack, frame), None)
            if found is None:
                found = self._open(pack, self.frame(pack, frame))
                while len(self._segments) >= 64:
                    del self._segments[next(iter(self._segments))]
            self._segments[pack, frame] = found
            return found

    def _open(self, pack: int, frame: Frame) -> Segment:
        try:
            return open_frame(frame)
        except Refused as error:
            raise Damaged(
                f"{self.bucket.url}, pack {self.indexes[pack].pack.name}: {error}", hint="push again from a store that has the runs"
            ) from error

    def frame(self, pack: int, number: int) -> Frame:
        """Return a frame as it stands in its pack, with the header that the index gives."""
        with self._lock:
            index = self.indexes[pack].index
            header = index.headers[number]
            data = self._frame_bytes(pack, number)
            if len(data) != HEADER_BYTES + header.length or data[:HEADER_BYTES] != header.to_bytes():
                raise Damaged(f"{self.bucket.url}: frame {number} of the pack {self.indexes[pack].pack.name} is not the one in its index")
            return Frame(header, data[HEADER_BYTES:])

    def _frame_bytes(self, pack: int, number: int) -> bytes:
        index, entry = self.indexes[pack].index, self.indexes[pack].pack
        start, size = index.offsets[number], HEADER_BYTES + index.headers[number].length
        file = self._files.get(pack)
        if file is not None:
            file.seek(start)
            return file.read(size)
        if (pack, -1) in self._bytes or entry.size <= _SMALL_PACK:
            return self._held_bytes((pack, -1), lambda: self._fetch(pack, 0, entry.size))[start : start + size]
        if (pack, number) not in self._bytes:
            self._fetch_frames(pack, number)
        return self._held_bytes((pack, number), lambda: self._fetch(pack, start, size))

    def _fetch_frames(self, pack: int, number: int) -> None:
        """Fetch a frame, and neighbours of its lane behind it: whoever reads one mostly reads on. Large bodies come one at a time."""
        index = self.indexes[pack].index
        lane, last = index.headers[number].lane, number + 1
        while (
            lane != LARGE
            and last < len(index.headers)
            and index.headers[last].lane == lane
            and index.offsets[last + 1] - index.offsets[number] < _AHEAD
        ):
            last += 1
        start = index.offsets[number]
        data = self._fetch(pack, start, index.offsets[last] - start)
        for one in range(number, last):
            self._hold((pack, one), data[index.offsets[one] - start : index.offsets[one + 1] - start])

    def _held_bytes(self, key: tuple[int, int], fetch: Callable[[], bytes]) -> bytes:
        found = self._bytes.pop(key, None)
        if found is None:
            found = fetch()
            self._held += len(found)
        self._bytes[key] = found
        while self._held > _CACHED and len(self._bytes) > 1:
            self._held -= len(self._bytes.pop(next(iter(self._bytes))))
        return found

    def _hold(self, key: tuple[int, int], data: bytes) -> None:
        self._held_bytes(key, lambda: data)

    def _fetch(self, pack: int, start: int, length: int) -> bytes:
        if self._closed:
            raise Closed(f"{self.bucket.url} is closed")
        name = self.indexes[pack].pack.path
        data = self.bucket.files.part(name, start, length)
        if data is None:
            raise self.bucket.lost(name)
        return data

    def bring_whole(self, pack: int) -> None:
        """Bring a large pack whole into a file that goes when this is closed: all of it is about to be read."""
        with self._lock:
            entry = self.indexes[pack].pack
            if pack in self._files or entry.size <= _SMALL_PACK:
                return
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            try:
                for start in range(0, entry.size, MOST_AT_ONCE):
                    file.write(self._fetch(pack, start, min(MOST_AT_ONCE, entry.size - start)))
            except OSError as error:
                file.close()
                if isinstance(error, Unavailable):
                    raise
                raise Unavailable(f"no room for what comes in: {error.strerror}", kind="no-room") from error
            self._files[pack] = file

    # --- the store protocol --------------------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open the root for reading."""
        if self._closed:
            raise Closed(f"{self.bucket.url} is closed")
        yield BucketReader(self)

    def refusal(self) -> Unavailable:
        """Return the error for what writes."""
        return Unavailable(f"{self.bucket.url} is written to by moving its root", kind="read-only")

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Yield what is wrong with the bytes of packs, nothing if all is well."""
        with self.read() as reader:
            try:
                for count, _ in enumerate(reader.objects(), 1):
                    if progress is not None and not count % 1000:
                        progress(1000)
            except Damaged as error:
                yield Finding("damaged", self.bucket.url, str(error))

    def stat(self) -> Mapping[str, Any]:
        """Counts of objects and packs, and bytes."""
        packs = self.root.packs
        return {"objects": sum(pack.objects for pack in packs), "packs": len(packs), "bytes": sum(pack.size for pack in packs)}

    def close(self) -> None:
        """Let go of what was fetched. Idempotent."""
        self._closed = True
        files, self._files = self._files, {}
        for file in files.values():
            file.close()


MOST_AT_ONCE = 16 << 20
