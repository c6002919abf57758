"""The transport for paths: another store on this machine, or a bundle, answered in this process."""

from __future__ import annotations

import os

from runstore.errors import NoStore
from runstore.store.directory import DEFAULT_NAME, is_store, read_config
from runstore.store.protocol import Store
from runstore.sync.bucket.directory import is_bucket
from runstore.sync.bundle import is_bundle
from runstore.sync.channel import Channel, LocalChannel
from runstore.sync.connect import Access, Connect
from runstore.sync.endpoint import Endpoint
from runstore.sync.limits import FETCHING
from runstore.sync.rights import ReadOnly
from runstore.sync.urls import Url

QUARANTINE = "quarantine"


def connector(url: Url, access: Access) -> Connect:
    """Return what opens the store, the bundle, or the bucket, at a path. Raises NoStore, Refused."""
    if is_bucket(os.path.expanduser(url.path)):
        from runstore.sync.bucket import connect as buckets

        return buckets.connector(url, access)
    path = store_path(os.path.expanduser(url.path))

    def connect() -> Channel:
        endpoint, store = open_endpoint(path, access)
        return LocalChannel(endpoint.answer, store.close)

    return connect


def store_path(path: str) -> str:
    """Return where the store is: the directory itself, a `.runstore` inside it, or a bundle. Raises NoStore."""
    inner = os.path.join(path, DEFAULT_NAME)
    if os.path.isfile(path) and is_bundle(path):
        return path
    if not is_store(path) and is_store(inner):
        return inner
    if not is_store(path):
        raise NoStore(f"there is no store in {path}", hint=f"`runstore init {path}` makes one")
    return path


def open_endpoint(path: str, access: Access) -> tuple[Endpoint, Store]:
    """Open what lies at a path and return its endpoint, and the store to close. Who calls could write the files anyway."""
    if os.path.isfile(path):
        from runstore.sync.bundlestore import BundleStore

        bundle = BundleStore(path, access.tables)
        return Endpoint(bundle, now=access.now, actor=access.actor, rights=ReadOnly(), needs=bundle.header.prerequisites), bundle
    from runstore.store.lmdb.store import LmdbStore

    store = LmdbStore.open(path, access.tables)
    default_ref = read_config(path).default_ref
    endpoint = Endpoint(
        store, now=access.now, actor=access.actor, limits=FETCHING, quarantine=os.path.join(path, QUARANTINE), default_ref=default_ref
    )
    return endpoint, store
