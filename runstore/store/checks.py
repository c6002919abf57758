"""What checking a store finds. Each engine checks itself (`Store.verify`); the words for it are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Called with the number of objects checked since the last call.
Progress = Callable[[int], None]


class Finding(NamedTuple):
    """Something wrong: a stable `code`, what it concerns (a link, an address, a file) as text, and a sentence."""

    code: str
    subject: str
    message: str
