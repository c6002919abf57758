"""Where the caches of buckets lie: a directory for each bucket, below one that the environment names. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runstore.model.digest import checksum


def cache_root(environment: Mapping[str, str]) -> str:
    """Return the directory of all caches: $RUNSTORE_CACHE, else `runstore` in $XDG_CACHE_HOME, else in `.cache` at home."""
    told = environment.get("RUNSTORE_CACHE")
    if told:
        return os.path.abspath(told)
    # The specification of base directories says that a relative path is to be ignored.
    base = environment.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "runstore")


def directory_for(root: str, place: str) -> str:
    """Return the directory of the cache of one bucket. `place` says where the bucket lies, server and all."""
    return os.path.join(root, "buckets", checksum(place.encode()).hex()[:32])
