"""Collecting: objects that nothing keeps are left behind when the store is copied.

Kept is what refs, reflog and tags lead to, what was added within the grace period, what was added while a writer that is still at
work holds a lease, and all that these lead to. Readers keep their snapshot. What cannot be read is left behind if a sound copy of it
lies elsewhere or nothing leads to it; otherwise nothing is collected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runstore.errors import Damaged
from runstore.maintenance.damage import naming_the_lost, refuse
from runstore.maintenance.pack import LEVEL, reading_order
from runstore.maintenance.walk import reachable, roots
from runstore.model.ids import Object
from runstore.runs.index import rebuild
from runstore.store.checks import Unreadable
from runstore.store.protocol import LANE_SHIFT, Reader, Store

GRACE_DAYS = 14
_DAY = 86_400 * 1_000_000
_NO_GRACE = 1 << 62


class Collected(NamedTuple):
    """What a collection found: objects and bytes (of uncompressed bodies) kept and dead. Damaged ones count as dead, without bytes.

    `sizes` is None for a dry run or if nothing was dead.
    """

    kept: int
    dead: int
    dead_bytes: int
    sizes: Mapping[str, Any] | None


def _since(now: int, grace_days: float) -> int:
    # Times are known to the hour only. Without a grace period nothing is spared for its age.
    return now - int(grace_days * _DAY) if grace_days > 0 else _NO_GRACE


def gc(store: Store, *, now: int, grace_days: float = GRACE_DAYS, dry_run: bool = False) -> Collected:
    """Drop what nothing keeps. `now` is microseconds since 1970 UTC. With `dry_run`, only say what would go."""
    young = store.protected_since(_since(now, grace_days), now=now)
    with store.read() as reader:
        found = _survey(reader, young)
    if dry_run or not found.dead:
        return found
    counted: list[Collected] = []

    def order(reader: Reader) -> Any:
        # The survey above ran without the lock; what counts is what lives now.
        keep = live(reader, store.protected_since(_since(now, grace_days), now=now))
        counted.append(_count(reader, keep))
        return reading_order(reader, keep)

    sizes = store.rewrite(order, level=LEVEL, rebuild=rebuild)
    return counted[-1]._replace(sizes=sizes)


def live(reader: Reader, young: Mapping[int, int]) -> set[int]:
    """Return the addresses of all that must be kept. `young` gives, by lane, the first address that is kept whatever leads to it."""
    seen: set[int] = set()
    with naming_the_lost(reader):
        for _ in reachable(reader, roots(reader), seen):
            pass
        recent = [obj.link for address, obj in _from(reader, young) if address not in seen]
        for _ in reachable(reader, recent, seen):
            pass
    return seen


def _survey(reader: Reader, young: Mapping[int, int]) -> Collected:
    return _count(reader, live(reader, young))


def _count(reader: Reader, keep: set[int]) -> Collected:
    damaged: list[Unreadable] = []
    dead = [len(obj.body) for address, obj in reader.sound(damaged.append) if address not in keep]
    return Collected(len(keep), len(dead) + len(damaged), sum(dead), None)


def _from(reader: Reader, young: Mapping[int, int]) -> list[tuple[int, Object]]:
    try:
        return [item for lane, first in young.items() for item in reader.between(first, (lane + 1) << LANE_SHIFT)]
    except Damaged:
        damaged: list[Unreadable] = []
        found = [(address, obj) for address, obj in reader.sound(damaged.append) if _is_young(address, young)]
        refuse(one for one in damaged if _is_young(one.address, young))
        return found


def _is_young(address: int, young: Mapping[int, int]) -> bool:
    return address >= young.get(address >> LANE_SHIFT, 0)
