"""Opening: from a directory, a bundle or the URL of a bucket to a Repo, and from a remote to a store of its own.

What nobody states comes from the store's settings, or from the machine: this is the one place that looks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runstore.errors import InvalidInput, Unavailable
from runstore.repo import DEFAULT_REF, TABLES, Clock, Repo, now_microseconds
from runstore.runs.tables import is_current

if TYPE_CHECKING:
    from datetime import tzinfo

    from runstore.store.protocol import Store
    from runstore.sync.cached.store import BucketBackedStore
    from runstore.sync.fetch import Fetched


def open_repo(
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    read_only: bool = False,
    check_index: bool = True,
    actor: str | None = None,
    default_ref: str | None = None,
    clock: Clock = now_microseconds,
    nonce: Callable[[], str] | None = None,
    zone: tzinfo | Callable[[], tzinfo] | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int | None = None,
) -> Repo:
    """Open the store in a directory, by default in the nearest `.runstore` from the working directory upward; or a bundle, to read it;
    or one in a bucket (`s3://bucket/prefix`, `dir:///path`), with its cache below the directory `cache` (docs/how-to/many-machines.md).

    `create` makes it where there is none. With `read_only` no lock is taken and no writer waited for, nothing is changed on the disk, and
    every verb that writes raises Unavailable. `actor` and `default_ref` default to what the store's settings say, else to user@host and
    `main`. Derived tables of an older form are built anew, or, where nothing may be written, refused (Unavailable, kind `old-index`);
    `check_index=False` leaves them as they are, for what reads objects only. `cache` is $RUNSTORE_CACHE unless given, else a directory of
    the user's caches; beyond `cache_bytes` (1 GiB) a cache lets go of blobs.
    Raises NoStore, Damaged, Refused (a newer format), Busy or Unavailable.
    """
    from runstore.store.directory import DEFAULT_NAME, discover, read_config

    if create and read_only:
        raise InvalidInput("a store that is opened for reading only is not made", hint="give create or read_only", kind="bad-options")
    place = os.fspath(path) if path is not None else discover(os.getcwd()) or DEFAULT_NAME
    store: Store
    if "://" in place and _names_bucket(place):
        backed = _open_bucket(place, create, read_only, clock, actor or _user_at_host, cache, cache_bytes)
        store, place = backed, backed.directory
    else:
        store = _open_store(place, create=create, read_only=read_only)
    repo = Repo(
        store,
        actor=actor or (lambda: read_config(place).actor or _user_at_host()),
        default_ref=default_ref or (lambda: read_config(place).default_ref or DEFAULT_REF),
        clock=clock,
        nonce=nonce,
        zone=zone,
    )
    if check_index:
        try:
            _bring_up_to_date(repo, place, read_only=read_only)
        except BaseException:
            repo.close()
            raise
    return repo


def _bring_up_to_date(repo: Repo, place: str, *, read_only: bool) -> None:
    with repo.read() as reader:
        if is_current(reader):
            return
        empty = next(iter(reader.objects()), None) is None
    if read_only and empty:
        return  # just made, and nothing to find
    old = Unavailable(
        f"the indexes of {place} have the form of another version", hint="`runstore reindex` builds them anew", kind="old-index"
    )
    if read_only:
        raise old
    try:
        repo.reindex()
    except Unavailable as error:
        if not empty:
            raise old from error


def clone(
    url: str,
    directory: str | os.PathLike[str],
    *,
    actor: str | None = None,
    ssh: Sequence[str] = ("ssh",),
    token: Callable[[], str | None] = lambda: None,
    depth: int | None = None,
    since: int | None = None,
    without: Sequence[str] = (),
    clock: Clock = now_microseconds,
) -> Fetched:
    """Make a store in a directory with all that the store at a URL has; the URL becomes its remote origin.

    `depth`, `since` (microseconds since 1970 UTC) and `without` (`output`, `documents`, `blobs`) leave things out, which are then promised.
    """
    from runstore.sync.clone import clone as bring
    from runstore.sync.connect import Access
    from runstore.sync.partial import omission

    access = Access(TABLES, clock, actor or _user_at_host(), tuple(ssh), token)
    return bring(url, os.fspath(directory), access, omission=omission(depth=depth, since=since, without=without))


def _open_bucket(
    url: str,
    create: bool,
    read_only: bool,
    clock: Clock,
    actor: str | Callable[[], str],
    cache: str | os.PathLike[str] | None,
    cache_bytes: int | None,
) -> BucketBackedStore:
    from runstore.sync.cached.evict import LIMIT
    from runstore.sync.cached.place import cache_root
    from runstore.sync.cached.store import BucketBackedStore

    return BucketBackedStore.open(
        url,
        TABLES,
        caches=cache_root(os.environ) if cache is None else os.path.abspath(os.fspath(cache)),
        now=clock,
        actor=(lambda: actor) if isinstance(actor, str) else actor,
        create=create,
        read_only=read_only,
        limit=LIMIT if cache_bytes is None else cache_bytes,
    )


def _names_bucket(place: str) -> bool:
    from runstore.sync.urls import is_bucket_url

    return is_bucket_url(place)


def _open_store(place: str, *, create: bool, read_only: bool) -> Store:
    if os.path.isfile(place):
        from runstore.sync.bundle import is_bundle
        from runstore.sync.bundlestore import BundleStore

        if is_bundle(place):
            return BundleStore(place, TABLES)
    from runstore.store.lmdb import LmdbStore

    return LmdbStore.open(place, TABLES, create=create, read_only=read_only)


def _user_at_host() -> str:
    import pwd

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())  # a user without a name, as in some containers
    return f"{user}@{os.uname().nodename}"
