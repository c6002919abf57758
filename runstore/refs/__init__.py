"""Refs: names that move. Compare-and-swap, and a reflog of every change.

Everything here works inside a transaction of the store that the caller opened, and gives a ref's target no meaning.
"""

from runstore.refs.names import PREFIXES, check_name, full_name, short_name
from runstore.refs.reflog import Change, changes, changes_of, expire, links
from runstore.refs.refs import (
    FOLLOW,
    IMPORT,
    TABLES,
    Operation,
    Ref,
    changed,
    each,
    existing,
    get,
    last,
    moment,
    read,
    set_last,
    twin,
    undo,
)

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
