"""A bucket as its users see it: the root as it stands, the refs, indexes and packs behind it, and the one way to change it.

A change is a function from one root to the next. It is made by conditional put, tried again on whatever root is there then, and stamped
with a write id, so that a put whose answer was lost is found to have landed.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from runstore.errors import Conflict, Damaged, Refused, Unavailable
from runstore.model.ids import Link
from runstore.store.directory import write_file
from runstore.sync.bucket.files import Files
from runstore.sync.bucket.index import PackIndex, most_index_bytes, open_index
from runstore.sync.bucket.probe import probe
from runstore.sync.bucket.root import MOST_BYTES, ROOT, Pack, Page, Root, check_twins, read_page, read_root
from runstore.sync.messages import disconnected

PATIENCE = 60.0
_AT_ONCE = 8
_LONGEST_PAUSE = 1.0
_MOST_RACES = 300.0


class State(NamedTuple):
    """The root as it stood at one moment, with the version to replace it at; None: there is no root yet."""

    root: Root
    version: str | None


class Bucket:
    """A bucket. Threads may share one. `patience` is how many seconds a write is tried again where its answer is lost.

    `moves` counts moves of the root, `conflicts` the races that were lost: another root met at the put, or a ref that had moved.
    """

    def __init__(self, files: Files, *, patience: float = PATIENCE) -> None:
        self.files = files
        self.url = files.url
        self.conflicts = self.moves = 0
        self._patience = patience
        self._lock = threading.Lock()
        self._seen: State | None = None
        self._indexes: dict[str, PackIndex] = {}
        self._pages: dict[str, dict[str, Link]] = {}
        self._probed = False
        self._kept: str | None = None

    def trust(self, *, probed: bool) -> None:
        """Say that this remote was probed before."""
        self._probed = self._probed or probed

    def keep_indexes(self, directory: str) -> None:
        """Keep indexes in a directory too, for other processes. They are checked when they are read, as those that come from the bucket."""
        self._kept = directory

    # --- reading -----------------------------------------------------------------------------------------------------------

    def load(self) -> State:
        """Return the root as it stands now. Raises Refused, Unavailable."""
        found = self.files.read(ROOT, MOST_BYTES)
        if found is None:
            return State(Root(), None)
        seen = self._seen
        if seen is None or seen.version != found.version:
            seen = self._seen = State(read_root(found.data), found.version)
        return seen

    def refs(self, root: Root) -> dict[str, Link]:
        """Return all refs of a root. Raises Refused."""
        if not root.pages:
            return dict(root.refs)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pages = list(pool.map(self.page, root.pages))
        found: dict[str, Link] = {}
        for refs in pages:
            found.update(refs)
        if list(found) != sorted(found) or len(found) != sum(page.refs for page in root.pages):
            raise Refused("the pages of the bucket's refs overlap", kind="bad-bucket")
        check_twins(found)
        return found

    def page(self, page: Page) -> dict[str, Link]:
        """Return one page of refs."""
        known = self._pages.get(page.name)
        if known is None:
            found = self.files.read(page.path, MOST_BYTES)
            if found is None:
                raise self.lost(page.path)
            known = read_page(found.data, page)
            self._pages[page.name] = known
        return known

    def indexes(self, root: Root) -> list[PackIndex]:
        """Return the indexes of all packs of a root, in its order. Raises Refused."""
        with self._lock:
            missing = [pack for pack in root.packs if pack.name not in self._indexes]
            listed = [pack.name for pack in root.packs]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for found in pool.map(lambda pack: self._index(pack, listed), missing):
                    self._indexes[found.pack.name] = found
            if missing:
                self._drop_kept(set(listed))
            self._indexes = {name: self._indexes[name] for name in listed}
            return [self._indexes[name] for name in listed]

    def _index(self, pack: Pack, listed: list[str]) -> PackIndex:
        if pack.index_size > most_index_bytes(pack):
            raise Refused(f"the index of the pack {pack.name} is larger than any index of such a pack", kind="limit-exceeded")
        kept = None if self._kept is None else os.path.join(self._kept, f"{pack.name}.index")
        if kept is not None:
            with suppress(OSError, Refused), open(kept, "rb") as file:
                return open_index(pack, file.read(), listed)
        data = self.files.part(pack.index_path, 0, pack.index_size)
        if data is None:
            raise self.lost(pack.index_path)
        found = open_index(pack, data, listed)
        if kept is not None:
            with suppress(OSError):  # it is only a copy
                os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
                write_file(kept, data)
        return found

    def _drop_kept(self, listed: set[str]) -> None:
        if self._kept is not None:
            with suppress(OSError):
                for name in os.listdir(self._kept):
                    if name.removesuffix(".index") not in listed and not name.startswith("."):
                        os.unlink(os.path.join(self._kept, name))

    def lost(self, name: str) -> Unavailable | Damaged:
        """Return the error for an object that is not there: it was superseded meanwhile, or the bucket has lost it."""
        root = self.load().root
        if name in {path for pack in root.packs for path in (pack.path, pack.index_path)} | {page.path for page in root.pages}:
            return Damaged(f"{self.url} has lost {name}", hint="push again from a store that has the runs", kind="lost")
        return disconnected(f"{name} in {self.url} was superseded while it was read")

    # --- writing -----------------------------------------------------------------------------------------------------------

    def probe(self) -> None:
        """Make sure that conditions on writes are kept here, once. Raises Refused, Unavailable."""
        if not self._probed:
            probe(self.files)
            self._probed = True

    def move(self, change: Callable[[Root], Root]) -> Root:
        """Replace the root by what `change` makes of it, and return that. Raises what `change` raises, and Unavailable.

        `change` is called with each root that is met on the way. A root that it gives back as it is needs no write.
        """
        self.probe()
        write = os.urandom(16).hex()
        until = time.monotonic() + self._patience
        failures = 0
        while True:
            try:
                state = self.load()
                if write in state.root.writes:
                    moved = state.root  # a put whose answer was lost has landed
                    break
                new = change(state.root)
                if new is state.root:
                    return new
                moved = new.stamped(write)
                if self._put(state, moved):
                    break
                self.conflicts += 1
            except Conflict:
                self.conflicts += 1
                raise
            except Unavailable as error:
                if error.kind in ("forbidden", "read-only") or time.monotonic() > until:
                    raise
            if time.monotonic() > until + _MOST_RACES:
                raise Conflict(f"the root of {self.url} has moved all the time", hint="try again")
            failures += 1
            pause(failures)
        self.moves += 1
        return moved

    def _put(self, state: State, new: Root) -> bool:
        data = new.to_bytes()
        if len(data) > MOST_BYTES:
            raise Refused(
                f"the root of {self.url} would have more than {MOST_BYTES:,} bytes", hint="`runstore bucket compact` makes it small"
            )
        if state.version is None:
            return self.files.create(ROOT, data) is not None
        return self.files.replace(ROOT, data, state.version) is not None


def pause(failures: int) -> None:
    """Wait a random while that grows with the number of failures: whoever lost a race keeps out of the next one's way."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.005 * 2 ** min(failures, 10))))  # noqa: S311 - nothing is kept secret by it
