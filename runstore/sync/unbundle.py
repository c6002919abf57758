"""Checking bundles: as a receiver checks a transfer, with nothing stored."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from time import monotonic

from runstore.store.memory import MemoryStore
from runstore.store.protocol import Store, Table
from runstore.sync.bundlestore import BundleStore
from runstore.sync.limits import FETCHING
from runstore.sync.progress import Progress, nothing
from runstore.sync.receive import Received, Receiver, check_needs


def verify_bundle(path: str, store: Store | None, *, tables: Iterable[Table], progress: Progress = nothing) -> Received:
    """Check every object, list, run and link of a bundle. What it builds on has to be in `store`. Raises Refused, naming what is wrong."""
    with BundleStore(path, tables) as bundle, nullcontext(store) if store is not None else MemoryStore(tables) as known:
        receiver = Receiver(known, limits=FETCHING, seconds=monotonic, progress=progress)
        try:
            for frame in bundle.pack.frames():
                receiver.take(frame)
            for _ in bundle.pack.objects():
                continue  # raises where an id is not the one that the index gives
            with known.read() as reader:
                check_needs(reader, bundle.header.prerequisites, "the bundle")
                receiver.inspect(reader, bundle.header.refs.values())
        finally:
            receiver.close()
        return Received(receiver.meter.objects, receiver.meter.raw, 0)
