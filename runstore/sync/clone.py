"""Cloning: a new store with what a remote has: its heads as ours, its tags, and the remote as `origin`.

What fails leaves no store behind.
"""

from __future__ import annotations

import os
import shutil

from runstore.errors import InvalidInput
from runstore.runs.index import mark_current
from runstore.store.directory import Config, is_store, read_config, write_config
from runstore.store.lmdb.store import LmdbStore
from runstore.store.memory import MemoryStore
from runstore.sync.connect import Access, open_remote
from runstore.sync.exchange import ORIGIN
from runstore.sync.fetch import Fetch, Fetched
from runstore.sync.local import QUARANTINE
from runstore.sync.partial import Omission
from runstore.sync.progress import Progress, nothing
from runstore.sync.remotes import add_remote


def clone(
    url: str,
    directory: str,
    access: Access,
    *,
    omission: Omission | None = None,
    dry_run: bool = False,
    progress: Progress = nothing,
) -> Fetched:
    """Make a store in a directory and bring all that a remote has. Raises InvalidInput if a store is there, and what fetching raises.

    With `dry_run` nothing is made, and what would come is returned.
    """
    if is_store(directory):
        raise InvalidInput(
            f"there is a store in {directory} already", hint="name another directory, or pull into this one", kind="not-empty"
        )
    before = set(os.listdir(directory)) if os.path.isdir(directory) else None
    remote = open_remote(url, access)
    if dry_run:
        with remote, MemoryStore(access.tables) as nothing_yet:
            return Fetch(nothing_yet, remote, ORIGIN, now=access.now, actor=access.actor, omission=omission).run(dry_run=True)
    made = False
    try:
        with remote, LmdbStore.open(directory, access.tables, create=True) as store:
            made = True
            add_remote(directory, ORIGIN, url, without=() if omission is None else omission.without)
            with store.write() as writer:
                mark_current(writer)
            fetched = Fetch(
                store,
                remote,
                ORIGIN,
                now=access.now,
                actor=access.actor,
                omission=omission,
                quarantine=os.path.join(directory, QUARANTINE),
                progress=progress,
                action="clone",
                also_heads=True,
            ).run()
            if fetched.default_ref is not None:
                config: Config = read_config(directory)
                write_config(directory, config._replace(default_ref=fetched.default_ref))
    except BaseException:
        if made:
            _remove(directory, before)
        raise
    return fetched


def directory_for(url: str) -> str:
    """Return the directory that a clone of a URL makes unless another is named: the last part of the URL."""
    last = url.rstrip("/").removesuffix("/.runstore").rpartition("/")[2].rpartition(":")[2].removesuffix(".runs")
    if not last or last in (".", ".."):
        raise InvalidInput(f"{url} gives no name for a directory", hint="name one: `runstore clone URL DIR`", kind="bad-url")
    return last


def _remove(directory: str, before: set[str] | None) -> None:
    """Remove a store that was begun: the directory, or what was put into one that was there before."""
    if before is None:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for name in set(os.listdir(directory)) - before:
        path = os.path.join(directory, name)
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
