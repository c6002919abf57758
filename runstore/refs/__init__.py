"""Refs: names that move. Compare-and-swap, and a reflog of every change.

Everything here works inside a transaction of the store that the caller opened, and gives a ref's target no meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.refs.names import PREFIXES, check_name, full_name, short_name
from runstore.refs.refs import FOLLOW, IMPORT, TABLES, Ref, changed, each, existing, get, last, moment, read, set_last, twin

if TYPE_CHECKING:
    from runstore.refs.operations import Operation, undo
    from runstore.refs.reflog import Change, changes, changes_of, expire, links

__all__ = [
    "FOLLOW",
    "IMPORT",
    "PREFIXES",
    "TABLES",
    "Change",
    "Operation",
    "Ref",
    "changed",
    "changes",
    "changes_of",
    "check_name",
    "each",
    "existing",
    "expire",
    "full_name",
    "get",
    "last",
    "links",
    "moment",
    "read",
    "set_last",
    "short_name",
    "twin",
    "undo",
]


# What only looks a name up waits neither for what writes nor for the reflog.
_PLACES = {
    **dict.fromkeys(("Operation", "undo"), "operations"),
    **dict.fromkeys(("Change", "changes", "changes_of", "expire", "links"), "reflog"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(__import__(f"{__name__}.{_PLACES[name]}", fromlist=(name,)), name)
    return found
