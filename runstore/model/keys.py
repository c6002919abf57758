"""Keys by value: two values with one key have one encoding, whatever was changed in place meanwhile.

A key is the packed bytes of what was given, made in C: about 0.1 µs for each dict and its strings. Keys live in memory only and
are never stored. A plain value's key is its body; where links or large integers stand in a value the key marks them otherwise.

The packer takes some types for others without a word: bytearray and memoryview for bytes, its own extension types for links.
So a value that is not plain is remembered, and found again, only if `only_known_types` says so of what was given.
"""

from __future__ import annotations

from typing import Any

import msgpack

from runstore.model.ids import Link
from runstore.model.scalars import digits_of

_LINK, _INT = 101, 102  # codes that no body uses, so that a key with a link never equals a body
_ROOM = 16 << 20  # a packer never gives memory back, so one that grew beyond this is replaced

FAILURES = (TypeError, ValueError, OverflowError, AttributeError)
"""What packing raises for a value that has no key; such a value may still have an encoding."""


class KeyPacker:
    """Packs keys into one buffer that is used again and again. Not for two threads, and not from within itself."""

    def __init__(self) -> None:
        self._strict = self._new()
        self._lenient: Any = None

    @staticmethod
    def _new(unicode_errors: str | None = None) -> Any:
        return msgpack.Packer(default=_stand_in, strict_types=True, autoreset=False, unicode_errors=unicode_errors)

    def pack(self, value: Any) -> memoryview:
        """Return the key as a view of the buffer. Release it before the next call. Raises FAILURES."""
        packer = self._strict
        packer.reset()
        try:
            packer.pack(value)
        except UnicodeEncodeError:  # a lone surrogate: the other packer takes it, at half the speed
            packer = self._lenient = self._lenient or self._new("surrogatepass")
            packer.reset()
            packer.pack(value)
        view: memoryview = packer.getbuffer()
        if view.nbytes > _ROOM:
            self._strict, self._lenient = self._new(), None
        return view

    def key(self, value: Any, last: str | bytes | None = None) -> bytes | None:
        """Return the key, or None if the value has none. Where it equals `last`, it is that object."""
        try:
            with self.pack(value) as view:
                return last if type(last) is bytes and len(last) == view.nbytes and last.startswith(view) else bytes(view)
        except FAILURES:
            return None


def _stand_in(item: Any) -> Any:
    """Return what is packed in place of an item that is not of an exact built-in type, or is too large an integer."""
    if isinstance(item, Link):
        return msgpack.ExtType(_LINK, item.raw)
    if isinstance(item, str):
        return str.__str__(item)
    if isinstance(item, int):
        return msgpack.ExtType(_INT, digits_of(item)) if type(item) is int else int.__int__(item)
    if isinstance(item, float):
        return float.__float__(item)
    if isinstance(item, dict):
        entries = list(item.items())
        plain = dict(entries)
        if len(plain) != len(entries):
            raise TypeError("a dict whose items repeat a key")
        return plain
    if isinstance(item, list | tuple):
        return list(item)
    raise TypeError(f"{type(item).__name__} has no key")


def only_known_types(value: Any) -> bool:
    """True if nothing stands in the value that only the packer would take."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, list | tuple) and not isinstance(item, Link):
            if isinstance(item, msgpack.ExtType):
                return False
            todo += item
        elif not (item is None or type(item) is bytes or isinstance(item, str | int | float | Link)):
            return False
    return True
