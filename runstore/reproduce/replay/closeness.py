"""How close two compositions are, to find the recorded request that somebody meant: equal components first, then how much of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from runstore.model.encoding import decode_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.lists import elements
from runstore.query.content import text_of

Slots = Mapping[str, Any]
Fetch = Callable[[bytes], Object]
_ELEMENTS, _CHARACTERS = 400, 4_000
_SETTINGS = ("model", "parameters")
_UNSEEN = ("runtime", "environment")


def equal(one: Slots, other: Slots) -> int:
    """Return how many components of a request are the same."""
    return sum(other.get(name) == slot for name, slot in one.items() if name not in _UNSEEN)


def closeness(one: Slots, other: Slots, fetch: Fetch) -> float:
    """Return the number of equal components, and for each of the others a share below 1."""
    found: float = sum(
        1.0 if other.get(name) == slot else 0.99 * _share(name, slot, other.get(name), fetch)
        for name, slot in one.items()
        if name not in _UNSEEN
    )
    return found


def _share(name: str, one: Any, other: Any, fetch: Fetch) -> float:
    if not (isinstance(one, Link) and isinstance(other, Link) and one.kind == other.kind):
        return 0.0
    if one.kind == Kind.LIST:
        return _lists(one, other, fetch)
    if one.kind != Kind.VALUE:
        return 0.0
    before, after = decode_trusted(fetch(one.id).body), decode_trusted(fetch(other.id).body)
    if name in _SETTINGS and isinstance(before, dict) and isinstance(after, dict):
        same: int = sum(key in after and after[key] == item for key, item in before.items())
        return same / max(len(before.keys() | after.keys()), 1)
    return _words(before, after)


def _lists(one: Link, other: Link, fetch: Fetch) -> float:
    """Return the share of common elements, and of the words of the last ones where these differ."""
    before, after = (list(islice(elements(link, fetch), _ELEMENTS)) for link in (one, other))
    if not before or not after:
        return 0.0
    common = (Counter(before) & Counter(after)).total() / max(len(before), len(after))
    last = 1.0 if before[-1] == after[-1] else _words(*(_read(side[-1], fetch) for side in (before, after)))
    return 0.75 * common + 0.25 * last


def _read(link: Link, fetch: Fetch) -> Any:
    return decode_trusted(fetch(link.id).body) if link.kind == Kind.VALUE else ""


def _words(one: Any, other: Any) -> float:
    before, after = (Counter(text_of(side)[:_CHARACTERS].split()) for side in (one, other))
    return (before & after).total() / max((before | after).total(), 1)
