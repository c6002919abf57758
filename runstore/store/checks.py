"""What checking a store finds. Each engine checks itself (`Store.verify`); the words for it are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Called with the number of objects checked since the last call.
Progress = Callable[[int], None]


class Unreadable(NamedTuple):
    """An object that the index lists and that cannot be read.

    `name` holds the first 16 digits of its id, nothing if the index does not list what lies at the address; `again` is the address of
    a sound copy, where there is one.
    """

    address: int
    name: str
    again: int | None


class Finding(NamedTuple):
    """Something wrong: a stable `code`, what it concerns (a link, an address, a file) as text, and a sentence."""

    code: str
    subject: str
    message: str
