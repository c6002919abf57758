"""Pushing a group: what the refs here lead to and the bucket lacks becomes packs, and the root is moved to list them.

Nobody has to be asked what the bucket has: what its refs led to when they were last taken in says it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runstore.errors import Conflict, NotFound
from runstore.model.ids import Link
from runstore.runs.absence import absence
from runstore.runs.generations import generation_at
from runstore.store.protocol import Reader, Store
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.pages import change_refs
from runstore.sync.bucket.root import Pack, Root
from runstore.sync.bucket.store import BucketStore
from runstore.sync.bucket.write import STALE, PackUpload, list_packs
from runstore.sync.cached.tracked import Change, seen_root, set_probed, set_seen, set_tracked, tracked, unpushed
from runstore.sync.select import select
from runstore.sync.send import frames_of


class Pending:
    """Packs that were put and are not listed, as a race was lost: `tips` are the executions that they hold with all that these lead to.

    So who tries again puts what is new since, most often a merge, and not all of it once more.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with nothing."""
        self.packs: list[Pack] = []
        self.tips: list[bytes] = []
        self.began: int | None = None


def push_group(store: Store, bucket: Bucket, pending: Pending, *, now: Callable[[], int]) -> int:
    """Push what is committed here and not in the bucket; return the number of objects. Raises Conflict where others moved a ref of ours."""
    with store.read() as reader:
        changes = unpushed(reader)
        if not changes:
            return 0
        bucket.probe()
        began = pending.began = now() if pending.began is None else pending.began
        _upload(reader, bucket, changes, pending)
        packs = list(pending.packs)
    base: tuple[str, ...] = ()

    def change(root: Root) -> Root:
        nonlocal base
        base = root.writes[:1]
        return _changed(bucket, root, changes, packs, began=began, now=now())

    try:
        root = bucket.move(change)
    except Conflict as error:
        if error.kind == STALE:
            pending.forget()
        raise
    pending.forget()
    with store.write() as writer:
        set_probed(writer)
        set_tracked(writer, {name: new for name, _, new in changes})
        # What others did meanwhile to other refs has not been taken in: the new root is known only if it stands on the one that was.
        known = seen_root(writer)
        stands = root.writes[1:2] == base and base == ((known,) if known else ())
        set_seen(writer, root.id, root.writes[0] if stands else known)
    return sum(pack.objects for pack in packs)


def _upload(reader: Reader, bucket: Bucket, changes: Sequence[Change], pending: Pending) -> None:
    wanted = [new.id for _, _, new in changes if new is not None]
    had = [key for key in (*(link.id for link in tracked(reader).values()), *pending.tips) if reader.address(key) is not None]
    chosen = select(reader, wanted, had)
    _check_there(reader, bucket, list(chosen.promised))
    upload = PackUpload(bucket.files, lambda obj: generation_at(reader, reader.address(obj.id) or 0) or 0)
    for frame in frames_of(reader, chosen.addresses):
        upload.add(frame)
    pending.packs += upload.finish()
    pending.tips += wanted


def _check_there(reader: Reader, bucket: Bucket, links: Sequence[Link]) -> None:
    """Raise NotFound if something is linked to that is neither here nor in the bucket: it was promised by somebody else."""
    doubtful = [link for link in links if (known := absence(reader, link.id)) is None or known.reason != bucket.url]
    if not doubtful:
        return
    with BucketStore(bucket, bucket.load().root) as there, there.read() as source:
        for link in doubtful:
            if source.address(link.id) is None:
                raise NotFound(
                    f"{link} is not here, and {bucket.url} lacks it", hint="`runstore fetch --missing REMOTE` brings it", kind="promised"
                )


def _changed(bucket: Bucket, root: Root, changes: Sequence[Change], packs: Sequence[Pack], *, began: int, now: int) -> Root:
    refs = bucket.refs(root)
    due: dict[str, Link | None] = {}
    for name, old, new in changes:
        current = refs.get(name)
        if current == new:
            continue
        if current != old:
            raise Conflict(f"the ref {name} has moved meanwhile", hint="try again", kind="conflict")
        due[name] = new
    if not due:
        return root
    default = root.default_ref or next((name for name, new in due.items() if new is not None and name.startswith("heads/")), None)
    return change_refs(bucket, list_packs(root, packs, began=began, now=now)._replace(default_ref=default), due, now=now)
