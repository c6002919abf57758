"""The index: rows of the first 8 bytes of an id and an address, sorted. Eight bytes are not an identity; readers confirm.

Functions on the engine's cursors; they raise its errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

from runstore.store.addresses import NOT_HERE, address_bytes

INDEX = b"index"
PREFIX = 8


def row(id: bytes, address: int) -> bytes:
    """Return the row for an object at an address."""
    return id[:PREFIX] + address_bytes(address)


def candidates(cursor: Any, id: bytes) -> list[int]:
    """Return the addresses of ids that begin as this one does: nearly always none or one."""
    prefix = id[:PREFIX]
    found: list[int] = []
    more = cursor.set_range_dup(INDEX, prefix)
    while more:
        value = cursor.value()
        if not value.startswith(prefix):
            break
        address = int.from_bytes(value[PREFIX:], "big")
        if address < NOT_HERE:
            found.append(address)
        more = cursor.next_dup()
    return found


def begun(cursor: Any, ids: Iterable[bytes]) -> list[bytes]:
    """Return those of the ids with whose beginning there is a row."""
    look, value = cursor.set_range_dup, cursor.value
    return [one for one in ids if look(INDEX, prefix := one[:PREFIX]) and value().startswith(prefix)]


def lists(cursor: Any, id: bytes, address: int) -> bool:
    """True if the index says that an id with this beginning lies at the address."""
    return bool(cursor.set_key_dup(INDEX, row(id, address)))


def add(cursor: Any, rows: list[bytes]) -> None:
    """Add rows, sorted first: neighbours lie on the same pages."""
    rows.sort()
    cursor.putmulti(zip(repeat(INDEX), rows, strict=False))


def count(cursor: Any) -> int:
    """Return the number of rows."""
    return int(cursor.count()) if cursor.set_key(INDEX) else 0
