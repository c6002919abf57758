"""A writer that counts the bytes of what is new, so that groups can be cut by size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runstore.model.ids import Object
from runstore.store.protocol import Batch, Writer


class CountingWriter:
    """A transaction of the cache. `bytes` are those of the bodies that were new."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def put(self, batch: Batch | Iterable[Object]) -> Sequence[tuple[int, Object]]:
        """As Writer.put."""
        return self._count(self._writer.put(batch))

    def put_frame(self, lane: int, data: bytes, objects: Sequence[Object]) -> Sequence[tuple[int, Object]]:
        """As Writer.put_frame."""
        return self._count(self._writer.put_frame(lane, data, objects))

    def _count(self, new: Sequence[tuple[int, Object]]) -> Sequence[tuple[int, Object]]:
        self.bytes += sum(len(obj.body) for _, obj in new)
        return new
