"""Counts and byte sizes of a store, for people and tests."""

from __future__ import annotations

import os
from typing import Any

from runstore.model.ids import Kind
from runstore.store.addresses import LANE_SHIFT
from runstore.store.frames import content_size, read_frame
from runstore.store.lmdb.env import key_of
from runstore.store.lmdb.index import INDEX
from runstore.store.lmdb.read import LmdbReader
from runstore.store.lmdb.values import from_value

_TIERS = ("fresh", "joined", "full")


def stat(reader: LmdbReader) -> dict[str, Any]:
    """Return what a snapshot holds. Decompresses every segment. Raises Damaged."""
    env = reader.env
    kinds = {kind: [0, 0] for kind in Kind}
    lanes: dict[int, dict[str, int]] = {}
    tiers = dict.fromkeys(_TIERS, 0)
    for key, value in reader.raw.cursor(env.segments).iternext():
        stored = from_value(value)
        segment = read_frame(stored.frame, stored.n)
        for i, kind in enumerate(segment.kinds):
            count = kinds[Kind(kind)]
            count[0] += 1
            count[1] += segment.ends[i + 1] - segment.ends[i]
        one = lanes.setdefault(int.from_bytes(key, "big") >> LANE_SHIFT, {"objects": 0, "segments": 0, "raw_bytes": 0, "stored_bytes": 0})
        one["objects"] += stored.n
        one["segments"] += 1
        one["raw_bytes"] += content_size(stored.frame)
        one["stored_bytes"] += len(value)
        tiers[_TIERS[stored.tier]] += 1
    return {
        "engine": "lmdb",
        "generation": env.generation,
        "objects": sum(count for count, _ in kinds.values()),
        "bytes": sum(size for _, size in kinds.values()),
        "file_bytes": os.fstat(env.fd).st_size,
        "kinds": {kind.label: {"objects": count, "bytes": size} for kind, (count, size) in kinds.items() if count},
        "lanes": {str(lane): counts for lane, counts in sorted(lanes.items())},
        "segments": tiers,
        "pages": _pages(reader),
    }


def _pages(reader: LmdbReader) -> dict[str, dict[str, int]]:
    env, txn = reader.env, reader.raw
    tables = {"meta": env.meta, "segments": env.segments, "rows": env.rows, **env.values}
    found = {}
    for name, db in tables.items():
        counts = txn.stat(db)
        found[name] = {"entries": counts["entries"], "pages": counts["branch_pages"] + counts["leaf_pages"] + counts["overflow_pages"]}
    cursor = txn.cursor(env.rows)
    names = {INDEX: "index"} | {key_of(name): name for name in reader.row_tables()}
    for key in cursor.iternext_nodup(keys=True, values=False):
        found[names.get(key, key.decode("ascii", "replace"))] = {"entries": cursor.count()}
    return found
