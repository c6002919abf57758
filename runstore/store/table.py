"""What the layers above and an engine hand each other as values: tables, and frames as they are stored."""

from __future__ import annotations

from runstore.tuples import NamedTuple


class Table(NamedTuple):
    """A table that a higher layer keeps in the store.

    `row_bytes` is None for a table of keys and values, else the size of every row of a sorted set of rows.
    `derived` tables can be rebuilt from the objects: a rewrite does not copy them, it lets `rebuild` fill them.
    """

    name: str
    row_bytes: int | None = None
    derived: bool = False


class StoredFrame(NamedTuple):
    """A frame as an engine keeps it: the address of its first object, how many it holds, and its bytes (store/frames.py), not verified."""

    first: int
    objects: int
    data: bytes
