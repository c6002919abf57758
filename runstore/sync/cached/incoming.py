"""Bringing in: what others have put into the bucket comes to the cache, through the same border as from any peer, less the blobs.

Where others have moved a ref, ours follows; where both sides have, a merge joins them. One transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple

from runstore import refs
from runstore.errors import Damaged, InvalidInput, Refused
from runstore.model.ids import Kind, Link, Object
from runstore.runs.index import Indexer
from runstore.store.protocol import Reader, Store, Writer
from runstore.sync.bucket.bucket import Bucket, State
from runstore.sync.bucket.store import BucketStore
from runstore.sync.cached.tracked import Change, ours, seen_root, set_seen, set_tracked, store_id, tracked
from runstore.sync.join import decided
from runstore.sync.limits import FETCHING
from runstore.sync.partial import Omission
from runstore.sync.receive import Receiver
from runstore.sync.select import select
from runstore.sync.send import frames_of
from runstore.sync.spool import Spool
from runstore.sync.updates import is_first_parent

_WITHOUT = Omission(without=frozenset({"blobs"}))


class Surroundings(NamedTuple):
    """What comes from above: the time in microseconds since 1970 UTC, who acts, and a directory for what comes in."""

    now: Callable[[], int]
    actor: Callable[[], str]
    quarantine: str


def bring_in(store: Store, bucket: Bucket, state: State, about: Surroundings) -> bool:
    """Take in a root and what it leads to; False if it was taken in before. Raises Refused, Damaged, Unavailable; then nothing changes."""
    root = state.root
    with store.read() as reader:
        before = tracked(reader)
        check_identity(reader, bucket, state)
        if state.version is None or seen_root(reader) == root.writes[0]:
            return False
        theirs = bucket.refs(root)
        wanted = [link for name, link in theirs.items() if before.get(name) != link and reader.address(link.id) is None]
        receiver = Receiver(store, limits=FETCHING, seconds=monotonic, spool=Spool(about.quarantine))
        try:
            if wanted:
                with BucketStore(bucket, root, near=_near(reader)) as there:
                    _take(reader, there, wanted, before, receiver)
            receiver.inspect(reader, wanted)
            receiver.commit(lambda writer: _apply(writer, theirs, root.id, root.writes[0], about), now=about.now(), source=bucket.url)
        finally:
            receiver.close()
    return True


def check_identity(reader: Reader, bucket: Bucket, state: State) -> None:
    """Raise Damaged if the bucket that the cache follows is gone, Refused if another store lies there now."""
    known = store_id(reader)
    if known and state.version is None:
        raise Damaged(
            f"{bucket.url} holds no store any more, and the cache followed one",
            hint="the cache still has what was recorded: `runstore clone` its directory (docs/reliability.md)",
            kind="lost",
        )
    if known and state.root.id != known:
        raise Refused(
            f"another store lies in {bucket.url} than the one that the cache followed",
            hint="name another directory for caches ($RUNSTORE_CACHE), or remove this bucket's",
            kind="other-store",
        )


def _near(reader: Reader) -> Callable[[bytes], Object | None]:
    def near(id: bytes) -> Object | None:
        found = reader.find(id)
        return None if found is None else found[1]

    return near


def _take(reader: Reader, there: BucketStore, wanted: list[Link], before: Mapping[str, Link], receiver: Receiver) -> None:
    with there.read() as source:
        had = [link.id for link in before.values() if source.address(link.id) is not None and reader.address(link.id) is not None]
        chosen = select(source, [link.id for link in wanted], had, _WITHOUT)
        for address in list(chosen.addresses):
            if reader.address(there.id_at(address)) is not None:
                chosen.addresses.discard(address)
        receiver.promise(b"".join(sorted(link.raw for link in chosen.promised)))
        for frame in frames_of(source, chosen.addresses):
            receiver.take(frame)


def _apply(writer: Writer, theirs: Mapping[str, Link], store: str, write: str, about: Surroundings) -> None:
    before, here = tracked(writer), ours(writer)
    operation: refs.Operation | None = None
    names = {*before, *theirs}
    for name in sorted(names):
        for change in _decide(writer, name, before.get(name), here.get(name), theirs.get(name)):
            if operation is None:
                operation = refs.Operation(writer, now=about.now(), actor=about.actor(), action=refs.FOLLOW)
            _move(writer, operation, change)
    set_tracked(writer, {name: theirs.get(name) for name in names})
    set_seen(writer, store, write)


def _decide(writer: Writer, name: str, before: Link | None, here: Link | None, there: Link | None) -> list[Change]:
    """Return how a ref of ours moves: not at all unless theirs has moved; to theirs unless ours has moved too; else both are joined."""
    if there in (before, here):
        return []
    if here == before or (here is None and there is not None):
        return [Change(name, here, there)]
    if here is None or there is None:
        return []  # deleted there, moved on here: what was recorded since stays, and is pushed
    if here.kind != Kind.EXECUTION or there.kind != Kind.EXECUTION or name.startswith("tags/"):
        return [Change(name, here, there)]  # a tag's name was given twice: the first that was pushed has it
    joined, merge = decided(writer, name, there)
    if merge is not None:
        Indexer().add(writer, writer.put([merge]))
    return [] if joined.new == here else [Change(name, here, joined.new)]


def _move(writer: Writer, operation: refs.Operation, change: Change) -> None:
    name, old, new = change
    if new is None:
        assert old is not None
        operation.delete(name, old)
        return
    try:
        operation.move(name, old, new, extends=old is not None and is_first_parent(writer, old, new))
    except InvalidInput as error:
        # Two machines made names that differ in case alone; the one in the bucket was first, and ours is renamed.
        twin = refs.twin(writer, name)
        if twin is None:
            raise
        target = refs.get(writer, twin)
        if target is None:
            raise Refused(str(error), kind=error.kind) from error
        operation.delete(twin, target)
        operation.move(f"{twin}-{target.hex[:8]}", None, target)
        operation.move(name, None, new)
