"""Writing packs to a bucket: frames are put together to packs of 16 MiB, each with its index; the root comes to list them later.

What is put and never listed is rubbish that a collection removes. Every frame is opened here and every id computed: so a frame that is
damaged in the store that it comes from goes no further.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO

from runstore.errors import Conflict
from runstore.model.ids import Kind, Object
from runstore.store.frames import Segment
from runstore.sync.bucket.files import Files
from runstore.sync.bucket.index import make_index
from runstore.sync.bucket.root import Pack, Root
from runstore.sync.frame import Frame, open_frame
from runstore.sync.packs import PackWriter

TARGET = 16 << 20
LEAST, MOST = 4 << 20, 64 << 20

# A collection leaves unlisted packs alone for a day; a writer that was suspended for long must not list what may be gone.
LONGEST = 12 * 3600 * 1_000_000

STALE = "stale-packs"

Generation = Callable[[Object], int]


def list_packs(root: Root, packs: Sequence[Pack], *, began: int, now: int) -> Root:
    """Return the root with packs added that were put since `began` (microseconds since 1970 UTC). Raises Conflict if they may be gone."""
    listed = {pack.name for pack in root.packs}
    retired = {name for name, _ in root.retired}
    added = tuple(pack for pack in packs if pack.name not in listed)
    if added and (now - began > LONGEST or any(pack.path in retired or pack.index_path in retired for pack in added)):
        raise Conflict("the packs of this write were taken for rubbish, as it took long", hint="try again", kind=STALE)
    return root._replace(packs=(*root.packs, *added))


class PackUpload:
    """Takes frames, and puts packs. `generation` gives that of an execution; `supersedes` are packs whose objects are all among these."""

    def __init__(self, files: Files, generation: Generation, *, supersedes: Iterable[str] = ()) -> None:
        self._files = files
        self._generation = generation
        self._supersedes = tuple(supersedes)
        self.packs: list[Pack] = []
        self._begin()

    def _begin(self) -> None:
        self._stream = BytesIO()
        self._writer = PackWriter(self._stream)
        self._objects = 0
        self._executions: list[int] = []

    def add(self, frame: Frame, segment: Segment | None = None, objects: Iterable[Object] | None = None) -> None:
        """Take one frame. `segment` is its content, `objects` its objects, where the caller has them. Raises Refused, Unavailable."""
        opened = open_frame(frame) if segment is None else segment
        if self._objects and self._writer.size + len(frame.data) > TARGET:
            self._close()
        self._writer.add(frame, opened)
        self._objects += opened.n
        found = (opened.make(i) for i in range(opened.n) if opened.kinds[i] == Kind.EXECUTION) if objects is None else objects
        self._executions += [self._generation(obj) for obj in found if obj.kind == Kind.EXECUTION]

    def finish(self) -> list[Pack]:
        """Put what is left, and return all packs."""
        self._close()
        return self.packs

    def _close(self) -> None:
        if not self._objects:
            return
        self._writer.finish()
        data = self._stream.getvalue()
        name = os.urandom(16).hex()
        index = make_index(name, data, self._executions, self._supersedes)
        pack = Pack(name, index.check, self._objects, len(data), len(index.data))
        self._files.put(pack.path, data)
        self._files.put(pack.index_path, index.data)
        self.packs.append(pack)
        self._begin()
