"""Where the command line finds its store, its actor and its ref: options first, then the environment, then the place.

Only the command line reads the environment; the library is told.
"""

from __future__ import annotations

import os
from datetime import tzinfo
from typing import TYPE_CHECKING

from runstore.cli.errors import say
from runstore.errors import InvalidInput, NoStore
from runstore.store.directory import DEFAULT_NAME, discover, is_store

if TYPE_CHECKING:
    from runstore.repo import Repo


def open_store(store: str | None, actor: str | None, *, create: bool = False, read_only: bool = False, check_index: bool = True) -> Repo:
    """Open the store that `--store`, `$RUNSTORE` or the place names. `create` makes the default one where there is none, and says where.

    Raises NoStore: a store that was named and is not there is a mistake, and is never made.
    """
    import runstore

    if store == "":
        raise InvalidInput("--store names nothing: it is empty", hint="name a directory, or leave --store out")
    path = store or os.environ.get("RUNSTORE") or discover(os.getcwd())
    if path is None and not create:
        raise NoStore(
            f"there is no store in {os.getcwd()} or above it", hint="`runstore init` makes one here; --store DIR or $RUNSTORE names another"
        )
    if path is not None and not is_store(path) and not _is_elsewhere(path):
        raise NoStore(f"there is no store in {path}", hint=f"`runstore init {path}` makes one")
    repo = runstore.open(
        path or DEFAULT_NAME,
        create=path is None,
        read_only=read_only,
        check_index=check_index,
        actor=wanted_actor(actor),
        default_ref=os.environ.get("RUNSTORE_REF") or None,
        zone=zone,
    )
    if path is None:
        say(f"made a store in {os.path.abspath(DEFAULT_NAME)}")
    away = getattr(repo.store, "away", None)
    if away is not None:
        say(f"warning: going on with what this machine has: {away}")
    return repo


def _is_elsewhere(path: str) -> bool:
    """True for the URL of a bucket, and for a bundle, which is read as a store is. Only what is no store is looked at."""
    from runstore.sync.bundle import is_bundle
    from runstore.sync.urls import is_bucket_url

    return is_bucket_url(path) or is_bundle(path)


def wanted_actor(actor: str | None) -> str | None:
    """Return the actor that the option or the environment names, or None: the store's, else user@host."""
    return actor or os.environ.get("RUNSTORE_ACTOR") or None


def zone() -> tzinfo:
    """Return where times without an offset are meant: here."""
    from runstore.cli.localtime import LocalTime  # costs milliseconds at start-up, and most commands read no dates

    return LocalTime()
