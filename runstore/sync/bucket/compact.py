"""Care for a bucket: small packs are merged, and what is not needed any more is removed. Beside readers and writers, as often as one likes.

Nothing that a reader may be at is removed: what leaves the root is retired first, and goes when it has been so for a minimum age.
Source: docs/spec/bucket.md, "Compaction and collection".
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from runstore.errors import Conflict, Damaged, RunstoreError
from runstore.model.ids import Kind, Object
from runstore.store.lanes import TARGET as FRAME_TARGET
from runstore.store.lanes import cut
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.root import Pack, Root
from runstore.sync.bucket.store import BucketStore
from runstore.sync.bucket.write import LEAST, PackUpload, list_packs
from runstore.sync.frame import PACKED_LEVEL, make_frame
from runstore.sync.send import ORDER

DAY = 24 * 3600 * 1_000_000
# So many small packs are worth merging. Of several writers that notice at once, only some try.
MANY, TOO_MANY = 32, 128
_OURS = re.compile(r"(?:packs/[0-9a-f]{32}\.(?:pack|index)|refs/[0-9a-f]{32})\Z")

Clock = Callable[[], int]


class Compacted(NamedTuple):
    """What was done: packs and their bytes before and after, objects retired (by this and as rubbish), and objects removed."""

    packs_before: int
    packs_after: int
    bytes_before: int
    bytes_after: int
    retired: int
    removed: int


def compact(bucket: Bucket, *, now: Clock, min_age: int = DAY) -> Compacted:
    """Merge the small packs, and collect. `now` gives, and `min_age` is, microseconds. Raises Unavailable, Damaged, Refused."""
    before = bucket.load().root
    with suppress(Conflict):  # somebody else merged the same packs meanwhile: then it is done
        merge(bucket, now=now)
    removed = collect(bucket, now=now, min_age=min_age)
    after = bucket.load().root
    retired = len({name for name, _ in after.retired} - {name for name, _ in before.retired})
    return Compacted(len(before.packs), len(after.packs), _bytes(before), _bytes(after), retired, removed)


def _bytes(root: Root) -> int:
    return sum(pack.size for pack in root.packs)


def tend(bucket: Bucket, root: Root, *, now: Clock) -> None:
    """Merge if there are many small packs: called by writers after a push. What fails is left to the next one: the push is done."""
    small = len(small_packs(root))
    if small < MANY or (small < TOO_MANY and random.random() > 0.25):  # noqa: S311 - nothing is kept secret by it
        return
    with suppress(RunstoreError):
        merge(bucket, now=now)
        collect(bucket, now=now, min_age=DAY, rubbish=False)


def small_packs(root: Root) -> list[Pack]:
    """Return the packs that are worth merging."""
    return [pack for pack in root.packs if pack.size < LEAST]


def merge(bucket: Bucket, *, now: Clock) -> int:
    """Put the objects of all small packs into new ones, each once, and let the root list these; return how many packs were merged.

    Raises Conflict if somebody else has merged one of them meanwhile.
    """
    began = now()
    root = bucket.load().root
    old = small_packs(root)
    if len(old) < 2:
        return 0
    names = {pack.name for pack in old}
    bucket.probe()
    with BucketStore(bucket, root) as store:
        merging = _Merging(store, [number for number, pack in enumerate(root.packs) if pack.name in names])
        upload = PackUpload(bucket.files, merging.generation, supersedes=names)
        for lane in ORDER:
            for group, _ in cut(merging.objects(lane), FRAME_TARGET[lane]):
                upload.add(make_frame(lane, group, level=PACKED_LEVEL))
        new = upload.finish()
    bucket.move(lambda root: _replaced(root, old, new, began=began, now=now()))
    return len(old)


class _Merging:
    """The objects of some packs of a bucket, by lane, each once. A pack's number is its place in the root."""

    def __init__(self, store: BucketStore, packs: list[int]) -> None:
        self._store = store
        self._packs = packs
        self._seen: set[bytes] = set()
        self._generations: dict[bytes, int] = {}

    def objects(self, lane: int) -> Iterator[Object]:
        for pack in self._packs:
            found = self._store.indexes[pack]
            for frame, header in enumerate(found.index.headers):
                if header.lane == lane:
                    yield from self._frame(pack, frame)

    def _frame(self, pack: int, frame: int) -> Iterator[Object]:
        found = self._store.indexes[pack]
        segment, first = self._store.segment(pack, frame), found.index.firsts[frame]
        for i in range(segment.n):
            obj = segment.make(i)
            if obj.id != found.index.id(first + i):
                raise Damaged(f"{self._store.bucket.url}: an object of the pack {found.pack.name} is not the one that its index names")
            if obj.id in self._seen:
                continue
            self._seen.add(obj.id)
            if obj.kind == Kind.EXECUTION:
                self._generations[obj.id] = found.generation(first + i) or 0
            yield obj

    def generation(self, obj: Object) -> int:
        return self._generations[obj.id]


def _replaced(root: Root, old: list[Pack], new: list[Pack], *, began: int, now: int) -> Root:
    listed = {pack.name for pack in root.packs}
    gone = {pack.name for pack in old}
    if not gone <= listed:
        raise Conflict("packs that were being merged have been merged by somebody else", hint="nothing is left to do")
    left = root._replace(packs=tuple(pack for pack in root.packs if pack.name not in gone))
    retired = tuple((path, now) for pack in old for path in (pack.path, pack.index_path))
    return list_packs(left, new, began=began, now=now)._replace(retired=(*root.retired, *retired))


def collect(bucket: Bucket, *, now: Clock, min_age: int = DAY, rubbish: bool = True) -> int:
    """Remove what has been retired for the minimum age, and with `rubbish` retire what interrupted writers left; return how many went."""
    moment = now()
    found = [listed for prefix in ("packs", "refs") for listed in bucket.files.list(prefix)] if rubbish else []
    strays = [listed.name for listed in found if _OURS.match(listed.name) and moment - listed.written >= min_age]
    gone: list[str] = []

    def change(root: Root) -> Root:
        needed = {path for pack in root.packs for path in (pack.path, pack.index_path)} | {page.path for page in root.pages}
        since = dict(root.retired)
        gone[:] = [name for name, time in since.items() if moment - time >= min_age and name not in needed]
        new = [name for name in strays if name not in needed and name not in since]
        if not gone and not new:
            return root
        kept = tuple((name, time) for name, time in since.items() if name not in gone)
        return root._replace(retired=(*kept, *((name, moment) for name in new)))

    if bucket.load().version is None:
        return 0
    bucket.move(change)
    for name in gone:
        bucket.files.delete(name)
    if rubbish:
        for listed in bucket.files.list("probe"):
            if moment - listed.written >= min_age:
                bucket.files.delete(listed.name)
    return len(gone)
