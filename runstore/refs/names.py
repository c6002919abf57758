"""Ref names: which are good, and what a short name stands for.

Pure. A name is ASCII, so that no two names look alike, and no name reads as an id or differs from another in case alone.
"""

from __future__ import annotations

from functools import lru_cache

from runstore.errors import InvalidInput

PREFIXES = ("heads/", "tags/", "remotes/")
MAX_BYTES = 200

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BEGINNINGS = frozenset(_LETTERS + "_%")
_CHARACTERS = _LETTERS + "._%+=@-"
_HEX_DIGITS = "0123456789abcdefABCDEF"


@lru_cache(1024)
def check_name(name: str, written: str | None = None) -> str:
    """Return a full ref name unchanged. Raises InvalidInput if it breaks a rule, saying which of the name as it was `written`."""
    said = name if written is None else written
    if not name.startswith(PREFIXES) or name in {"heads/", "tags/", "remotes/"}:
        raise _bad(said, "a full ref name begins with heads/, tags/ or remotes/")
    if len(name) > MAX_BYTES:
        raise _bad(said, f"a ref name has at most {MAX_BYTES} bytes, and this one has {len(name.encode())}")
    if ".." in name:
        raise _bad(said, "`..` stands for a range of executions")
    if not all(part[:1] in _BEGINNINGS and not part.strip(_CHARACTERS) for part in name.split("/")):
        raise _bad(said, "a ref name is parts of A-Z a-z 0-9 . _ % + = @ - joined by /, each beginning with a letter, a digit, _ or %")
    if "@{" in name or _reads_as_id(short_name(name)):
        raise _bad(said, "it reads as an id")
    return name


def _reads_as_id(name: str) -> bool:
    return 4 <= len(name) <= 64 and not name.strip(_HEX_DIGITS)


def full_name(name: str, default_prefix: str = "heads/") -> str:
    """Expand what a person writes (`main`, `tags/v1`) to a checked full name. Raises InvalidInput."""
    return check_name(name if name.startswith(PREFIXES) else default_prefix + name, name)


def short_name(name: str) -> str:
    """Return what a person writes for a full name: without `heads/`, `tags/` or `remotes/`."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _bad(name: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{name[:80]!r} is no ref name: {reason}", hint="for example: main, support/reply, tags/v1", kind="bad-name")
