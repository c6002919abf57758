"""Ids for people: the shortest prefix that no other object in the store shares, at least eight digits. For programs: kind:id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.model.ids import Link

if TYPE_CHECKING:
    from runstore.store.protocol import Reader

LEAST = 8


class Shortener:
    """Shortens ids against one snapshot of a store, and remembers what it found."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[bytes, str] = {}

    def __call__(self, id: bytes | Link) -> str:
        """Return the shortest unique prefix of an id, whether its object is stored or not."""
        raw = id.id if isinstance(id, Link) else bytes(id)
        found = self._known.get(raw)
        if found is None:
            found = self._known[raw] = self._shorten(raw)
        return found

    def _shorten(self, raw: bytes) -> str:
        digits = raw.hex()
        for length in range(LEAST, len(digits), 4):
            others = [link.hex for link in self._reader.starting(digits[:length], limit=8) if link.id != raw]
            if not others:
                return digits[:length]
            if len(others) < 7:
                return digits[: 1 + max(_common(digits, other) for other in others)]
        return digits


def text_of(link: Link | None) -> str | None:
    """Return a link as kind:id; None where there is none."""
    return None if link is None else str(link)


def _common(one: str, other: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right), len(one))
