"""Fetching what was left out: objects that are promised are asked for by their ids, with all that they lead to."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from runstore.runs.absence import PROMISED, absences
from runstore.store.protocol import Store
from runstore.sync.fetch import Fetched
from runstore.sync.limits import FETCHING
from runstore.sync.partial import Omission
from runstore.sync.progress import Progress, nothing
from runstore.sync.receive import Receiver
from runstore.sync.remote import Remote
from runstore.sync.spool import Spool


def fetch_missing(
    store: Store,
    remote: Remote,
    *,
    now: Callable[[], int],
    quarantine: str | None = None,
    dry_run: bool = False,
    progress: Progress = nothing,
) -> Fetched:
    """Bring the promised objects that the remote has, and what they lead to. What it does not have stays promised."""
    receiver = Receiver(store, limits=FETCHING, seconds=monotonic, spool=Spool(quarantine), progress=progress)
    try:
        with store.read() as reader:
            promised = [known.link for known in absences(reader) if known.state == PROMISED]
            flags = remote.has([link.id for link in promised])
            wanted = [link for link, flag in zip(promised, flags, strict=True) if flag]
            if not wanted:
                return Fetched([], 0, 0, 0, {}, None)
            listed = remote.list([link.id for link in wanted], [], Omission())
            lacking = [one for one in listed.ids if reader.address(one) is None]
            if dry_run:
                return Fetched([], len(lacking), listed.size, 0, {}, None)
            receiver.promise(listed.promised)
            remote.get(lacking, take=receiver.take)
            receiver.inspect(reader, wanted)
        _, received = receiver.commit(lambda writer: None, now=now(), source=remote.name)
        return Fetched([], received.objects, receiver.meter.received, received.new, {}, None)
    finally:
        receiver.close()
