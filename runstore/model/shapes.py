"""Shapes: records of one writer differ in ids, times and nonces alone, so one that was decoded tells where these stand in the next.

A body is cut by one call, and its fixed parts are compared with those of the shape: what comes out is what the decoder would give, in half
its time. A body of another shape is left to the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter
from struct import Struct
from typing import Any

from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link

_BEFORE_ID = len(LINK_HEAD) + 1  # the kind stands between the head and the id
_UINT64 = 0xCF
_LEAST_LINKS = 2  # of one alone `itemgetter` makes no tuple
_EACH_LINK = repeat(Link)
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


class _Layout:
    """A body taken apart from its beginning: fixed bytes, a field, fixed bytes, ..."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at, self.fixed_from = body, 0, 0
        self.fixed: list[bytes] = []
        self.form = ">"
        self.names: list[str] = []
        self.kinds: list[Kind | None] = []
        self.constants: dict[str, Any] = {}

    def skip(self, expected: bytes) -> bool:
        """Pass over fixed bytes; False if others stand here."""
        there = self.body.startswith(expected, self.at)
        self.at += len(expected)
        return there

    def field(self, name: str, size: int, form: str, kind: Kind | None = None) -> bool:
        """Take a field that differs from body to body."""
        self.end()
        self.form += form
        self.names.append(name)
        self.kinds.append(kind)
        self.at = self.fixed_from = self.at + size
        return True

    def end(self) -> None:
        """Close the fixed bytes before what comes."""
        self.fixed.append(self.body[self.fixed_from : self.at])
        self.form += f"{len(self.fixed[-1])}s"

    def link(self, name: str, kind: Kind) -> bool:
        self.at += _BEFORE_ID
        return self.field(name, ID_BYTES, f"{ID_BYTES}s", kind)

    def item(self, name: str, item: Any) -> bool:
        """Take what stands under a key; False for what has no place of fixed size."""
        if type(item) is Link:
            return self.link(name, item.kind)
        if name == "parents":
            self.constants[name] = ()
            return self.skip(array_head(len(item))) and (not item or (len(item) == 1 and self.link(name, item[0].kind)))
        if type(item) is int:
            self.at += 1
            return self.body[self.at - 1] == _UINT64 and self.field(name, 8, "Q")
        if type(item) is not str:
            return False
        text = pack_text(item)
        if name != "nonce":
            self.constants[name] = item
            return self.skip(text)
        size = len(item.encode("utf-8", "replace"))
        self.at += len(text) - size
        return self.field(name, size, f"{size}s")


class Shape:
    """Where the fields of a body stand, and what stands between them."""

    __slots__ = ("_constants", "_fixed", "_ids", "_kinds", "_nonce", "_parents", "_pick", "_unpack", "size")

    def __init__(self, layout: _Layout, fields: Sequence[str]) -> None:
        form, names = Struct(layout.form), layout.names
        self.size = form.size
        self._unpack = form.unpack
        self._fixed = tuple(layout.fixed)
        links = [place for place, kind in enumerate(layout.kinds) if kind]
        self._ids = itemgetter(*[2 * place + 1 for place in links])
        self._kinds = [layout.kinds[place] for place in links]
        linked = [names[place] for place in links]
        self._parents = linked.index("parents") if "parents" in linked else None
        self._nonce = 2 * names.index("nonce") + 1 if "nonce" in names else None
        # The fields are picked from all parts of the body, the links, the nonce and the constants; numbers are what they are cut to.
        self._constants = (*layout.constants.values(), None)
        parts: list[str | None] = [None] * (2 * len(names) + 1)
        for place, name in enumerate(names):
            parts[2 * place + 1] = name if name not in linked and name != "nonce" else None
        values = [*parts, *linked, "nonce" if self._nonce else None, *layout.constants]
        self._pick = itemgetter(*[values.index(name) if name in values else -1 for name in fields])

    def read(self, body: bytes) -> tuple[Any, ...] | None:
        """Return the values of the fields in their order, or None for a body of another shape."""
        cut = self._unpack(body)
        if cut[::2] != self._fixed:
            return None
        links: list[Any] = [*map(_new, _EACH_LINK, zip(self._kinds, self._ids(cut)))]  # noqa: B905 - as many, and saying so costs as much
        if self._parents is not None:
            links[self._parents] = (links[self._parents],)
        nonce = None
        if self._nonce is not None:
            try:
                nonce = cut[self._nonce].decode()
            except UnicodeDecodeError:
                return None
        found: tuple[Any, ...] = self._pick((*cut, *links, nonce, *self._constants))
        return found


def learn(body: bytes, value: dict[str, Any], fields: Sequence[str], decoded: tuple[Any, ...]) -> Shape | None:
    """Return the shape of a body with this value, the values of its fields being `decoded`; None if it has no shape of fixed places."""
    layout = _Layout(body)
    whole = layout.skip(map_head(len(value))) and all(layout.skip(pack_text(key)) and layout.item(key, value[key]) for key in value)
    if not whole or layout.at != len(body) or sum(map(bool, layout.kinds)) < _LEAST_LINKS:
        return None
    layout.end()
    shape = Shape(layout, fields)
    return shape if shape.read(body) == decoded else None
