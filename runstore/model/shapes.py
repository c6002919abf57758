"""Shapes: records of one writer differ in ids, times and nonces alone, so one that was decoded tells where these stand in the next.

A body is cut by one call, and its fixed parts are compared with those of the shape: what comes out is what the decoder would give, in half
its time. A body of another shape is left to the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from struct import Struct
from typing import Any

from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link

_BEFORE_ID = len(LINK_HEAD) + 1  # the kind stands between the head and the id
_UINT64 = 0xCF
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

    __slots__ = ("_constants", "_fixed", "_kinds", "_nonce", "_parents", "_pick", "_unpack", "size")

    def __init__(self, layout: _Layout, fields: Sequence[str]) -> None:
        form, names = Struct(layout.form), layout.names
        self.size = form.size
        self._unpack = form.unpack
        self._fixed = tuple(layout.fixed)
        self._kinds = layout.kinds
        self._nonce = names.index("nonce") if "nonce" in names else None
        self._parents = names.index("parents") if "parents" in names else None
        values = [*names, *layout.constants]  # a name that is in both is that of a field
        self._constants = (*layout.constants.values(), None)
        self._pick = itemgetter(*[values.index(name) if name in values else -1 for name in fields])

    def read(self, body: bytes) -> tuple[Any, ...] | None:
        """Return the values of the fields in their order, or None for a body of another shape."""
        cut = self._unpack(body)
        if cut[::2] != self._fixed:
            return None
        values: list[Any] = [_new(Link, (kind, item)) if kind else item for kind, item in zip(self._kinds, cut[1::2], strict=True)]
        if self._parents is not None:
            values[self._parents] = (values[self._parents],)
        if self._nonce is not None:
            try:
                values[self._nonce] = values[self._nonce].decode()
            except UnicodeDecodeError:
                return None
        found: tuple[Any, ...] = self._pick((*values, *self._constants))
        return found


def learn(body: bytes, value: dict[str, Any], fields: Sequence[str], decoded: tuple[Any, ...]) -> Shape | None:
    """Return the shape of a body with this value, the values of its fields being `decoded`; None if it has no shape of fixed places."""
    layout = _Layout(body)
    whole = layout.skip(map_head(len(value))) and all(layout.skip(pack_text(key)) and layout.item(key, value[key]) for key in value)
    if not whole or layout.at != len(body) or not layout.names:
        return None
    layout.end()
    shape = Shape(layout, fields)
    return shape if shape.read(body) == decoded else None
