"""Dump: objects one by one, for other programs and for an independent check."""

from __future__ import annotations

from collections.abc import Iterator

from runstore.maintenance.walk import reachable
from runstore.model.ids import Link, Object
from runstore.store.protocol import Reader


def dump(reader: Reader, start: Link | None = None) -> Iterator[Object]:
    """Yield every object, or all that `start` leads to, what an object links to before it. Raises Damaged where one cannot be read."""
    found = reader.objects() if start is None else reachable(reader, [start])
    for _, obj in found:
        yield obj
