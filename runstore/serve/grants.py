"""Grants: what a token may do with which refs of which stores. Pure.

A grant is written `RIGHT STORE [REFS]`: `append team`, `read team heads/ci/*`, `admin *`. Each right holds those before it: read, append,
force, admin. `*` stands for any text, `/` included. Patterns do not tell cases apart, since refs that differ in case alone cannot both
exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from runstore.errors import InvalidInput

RIGHTS = ("read", "append", "force", "admin")
READ, APPEND, FORCE, ADMIN = range(4)
_STORE = re.compile(r"(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})\Z")
_REFS = re.compile(r"[A-Za-z0-9._/*-]{1,255}\Z")
_SERVED = ("heads/", "tags/")


class Grant(NamedTuple):
    """A right (its place in `RIGHTS`), the name of a store or `*`, and a pattern for full names of refs."""

    right: int
    store: str
    refs: str

    def __str__(self) -> str:
        return " ".join((RIGHTS[self.right], self.store, *([] if self.refs == "*" else [self.refs])))


def parse_grant(text: str) -> Grant:
    """Read a grant. A pattern that names no `heads/` or `tags/` means heads. Raises InvalidInput."""
    words = text.split()
    if not 2 <= len(words) <= 3 or words[0] not in RIGHTS:
        raise InvalidInput(f"{text[:80]!r} is no grant", hint=_FORM, kind="bad-grant")
    refs = words[2] if len(words) == 3 else "*"
    if not _STORE.match(words[1]) or not _REFS.match(refs):
        raise InvalidInput(f"{text[:80]!r} names a store or refs that there cannot be", hint=_FORM, kind="bad-grant")
    if not refs.startswith((*_SERVED, "*")):
        refs = f"heads/{refs}"
    return Grant(RIGHTS.index(words[0]), words[1], refs)


class Granted:
    """The rights (`runstore.sync.rights.Rights`) that grants give in one store."""

    def __init__(self, grants: Iterable[Grant], store: str) -> None:
        self._grants = [grant for grant in grants if grant.store in ("*", store)]
        self._patterns = [(grant.right, _compiled(grant.refs)) for grant in self._grants]

    def __bool__(self) -> bool:
        """True if there is anything that may be done."""
        return bool(self._grants)

    @property
    def readable(self) -> frozenset[str]:
        """The patterns of the refs that may be read: who has the same sees the same."""
        return frozenset(grant.refs.lower() for grant in self._grants)

    @property
    def is_admin(self) -> bool:
        """True if the store's figures may be seen."""
        return any(grant.right == ADMIN for grant in self._grants)

    def read(self, ref: str) -> bool:
        """True if the peer may see the ref and what it leads to."""
        return self._may(READ, ref)

    def append(self, ref: str) -> bool:
        """True if the peer may make the ref, and move it forward."""
        return self._may(APPEND, ref)

    def force(self, ref: str) -> bool:
        """True if the peer may move the ref anywhere."""
        return self._may(FORCE, ref)

    def writes(self) -> bool:
        """True if there can be a ref that the peer may write."""
        return any(grant.right >= APPEND for grant in self._grants)

    def _may(self, right: int, ref: str) -> bool:
        return ref.startswith(_SERVED) and any(given >= right and pattern.match(ref) for given, pattern in self._patterns)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")) + r"\Z", re.IGNORECASE | re.ASCII)


_FORM = 'write RIGHT STORE [REFS], as "append team" or "read team heads/ci/*"; the rights are read, append, force, admin'
