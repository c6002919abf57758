"""Pack: copy the store into a new file in reading order, where it is smallest and reads fastest.

Reading order is the order in which people and replays read: ref by ref, oldest execution first, what an object links to before it.
Neighbours then resemble one another, and compress. Large bodies go by kind and size instead, so that near-duplicates
meet. Executions stay in the order in which they were recorded, which is nowhere but in their addresses, and stand together: a log reads
nothing else. Behind them are the tags, which may lead to them. No object is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runstore import refs
from runstore.maintenance.damage import naming_the_lost, refuse
from runstore.maintenance.walk import executions_oldest_first, reachable
from runstore.model.ids import Kind, Link
from runstore.runs.index import rebuild
from runstore.store.checks import Unreadable
from runstore.store.protocol import LANE_SHIFT, Reader, Store

LEVEL = 9
_LARGE_LANE = 1

Progress = Callable[[int], None]


def pack(store: Store, *, progress: Progress | None = None) -> Mapping[str, Any]:
    """Pack the store under its running writers; they wait, and go on in the new file. Return counts and sizes before and after."""
    return store.rewrite(lambda reader: reading_order(reader, progress=progress), level=LEVEL, rebuild=rebuild)


def reading_order(reader: Reader, keep: set[int] | None = None, *, progress: Progress | None = None) -> Iterator[int]:
    """Yield the addresses of all objects, or of those in `keep`, in reading order.

    Without `keep`, raises Damaged for what cannot be read and has no sound copy.
    """
    seen: set[int] = set()
    large: list[tuple[int, int, int]] = []
    executions: list[int] = []
    tags: list[int] = []
    lost: list[Unreadable] = []
    for address, kind, size in _reading(reader, seen, lost):
        if keep is not None and address not in keep:
            continue
        if progress is not None:
            progress(1)
        if kind == Kind.EXECUTION:
            executions.append(address)
        elif kind == Kind.TAG:
            tags.append(address)
        elif address >> LANE_SHIFT == _LARGE_LANE:
            large.append((kind, size, address))
        else:
            yield address
    if keep is None:
        refuse(lost)
    yield from (address for _, _, address in sorted(large))
    yield from sorted(executions)
    yield from tags


def _reading(reader: Reader, seen: set[int], lost: list[Unreadable]) -> Iterator[tuple[int, int, int]]:
    for tip in _tips(reader):
        with naming_the_lost(reader):
            for address, obj in reachable(reader, executions_oldest_first(reader, tip), seen):
                yield address, obj.kind, len(obj.body)
    for address, obj in reader.sound(lost.append):
        if address not in seen:
            yield address, obj.kind, len(obj.body)


def _tips(reader: Reader) -> list[Link]:
    return [ref.target for ref in refs.each(reader)]
