"""What cannot be read when a store is copied: left behind if a sound copy lies elsewhere, else a reason to refuse the copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from runstore.errors import Damaged
from runstore.store.checks import Unreadable
from runstore.store.protocol import Reader

_NAMED = 100


@contextmanager
def naming_the_lost(reader: Reader) -> Iterator[None]:
    """Let the error of a walk that met one damaged object name all that are lost."""
    try:
        yield
    except Damaged as error:
        refuse(unreadable(reader), error)
        raise


def unreadable(reader: Reader) -> list[Unreadable]:
    """Return what the index lists and cannot be read. Reads the whole store."""
    lost: list[Unreadable] = []
    for _ in reader.sound(lost.append):
        pass
    return lost


def refuse(found: Iterable[Unreadable], cause: Damaged | None = None) -> None:
    """Raise Damaged, naming them, if any of these has no sound copy."""
    lost = [one for one in found if one.again is None]
    if not lost:
        return
    names = [f"{one.name}…" if one.name else f"the object at address {one.address:#x}" for one in lost[:_NAMED]]
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    raise Damaged(
        f"{len(lost)} objects are damaged and would be lost: {', '.join(names)}{more}",
        hint="record or import them again, or take in a bundle that has them; `runstore fsck` tells what is damaged",
    ) from cause
