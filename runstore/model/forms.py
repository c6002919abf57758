"""Forms of executions: bodies that differ in ids, times and nonces alone are told, and read, by one form.

A form is made of a body that was decoded strictly. It holds that body's bytes, with holes where another canonical item of the same
size may stand: so what fits it is canonical too. Bodies of other shapes (with maps, merges) have no form and are decoded the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any

from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link
from runstore.tuples import NamedTuple

MOST_FORMS = 8
_MOST_LEARNT = 100  # in one process: one that is not met again costs more than it saves
_MOST_TEXT = 64
_FIXED = ("actor", "status")
_NONCE_BYTES, _DIGITS = 32, "0123456789abcdef"
_DIGIT_BYTES = _DIGITS.encode()
_TIME_HEAD, _TIME_BYTES = b"\xcf", 8
# What takes nine bytes, as it stands in them.
_LEAST_TIME, _PAST_TIME = b"\0\0\0\1\0\0\0\0", b"\x80\0\0\0\0\0\0\0"
_read_int = int.from_bytes
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


class Form(NamedTuple):
    """A body's size, how it is cut into what is fixed and what stands in the holes, and the values of the fields without a hole.

    `links`, `times` and `nonces` say for each hole its number and the place of its field; a link also its kind and if it is the parent.
    """

    size: int
    cut: Callable[[bytes], tuple[Any, ...]]
    kept: tuple[bytes, ...]
    fixed: Sequence[Any]
    links: Sequence[tuple[int, int, Kind, bytes, bool]]
    times: Sequence[tuple[int, int]]
    nonces: Sequence[tuple[int, int]]

    def holes(self, body: bytes) -> tuple[bytes, ...] | None:
        """Return what stands in the holes of a body that fits; else None."""
        if len(body) != self.size:
            return None
        parts = self.cut(body)
        if parts[::2] != self.kept:
            return None
        holes: tuple[bytes, ...] = parts[1::2]
        for number, _ in self.times:
            if not _LEAST_TIME <= holes[number] < _PAST_TIME:
                return None
        for number, _ in self.nonces:
            if holes[number].strip(_DIGIT_BYTES):
                return None
        return holes


class _Maker:
    """A form in the making: the bytes kept between the holes, and the sizes of these."""

    def __init__(self, head: bytes) -> None:
        self.kept = [head]
        self.sizes: list[int] = []
        self.links: list[tuple[int, int, Kind, bytes, bool]] = []
        self.times: list[tuple[int, int]] = []
        self.nonces: list[tuple[int, int]] = []

    def keep(self, data: bytes) -> None:
        self.kept[-1] += data

    def hole(self, size: int) -> int:
        """Begin a hole, and return its number."""
        self.sizes.append(size)
        self.kept.append(b"")
        return len(self.sizes) - 1

    def link(self, link: Link, place: int, *, parent: bool = False) -> None:
        label = link.raw[:1]
        self.keep(LINK_HEAD + label)
        self.links.append((self.hole(ID_BYTES), place, link.kind, label, parent))

    def form(self, fixed: Mapping[str, Any]) -> Form:
        holes = "".join(f"{size}s{len(kept)}s" for size, kept in zip(self.sizes, self.kept[1:], strict=True))
        cutter = Struct(f"{len(self.kept[0])}s{holes}")
        return Form(
            cutter.size, cutter.unpack, tuple(self.kept), tuple(fixed.values()), tuple(self.links), tuple(self.times), tuple(self.nonces)
        )


def form_of(value: Mapping[str, Any], fields: Sequence[str]) -> Form | None:
    """Return the form of an execution that was decoded and checked, as its keys in order and what stands under them, or None."""
    made = _Maker(map_head(len(value)))
    fixed: dict[str, Any] = dict.fromkeys(fields)
    for key, item in value.items():
        made.keep(pack_text(key))
        kind, place = type(item), fields.index(key)
        if kind is Link:
            made.link(item, place)
        elif kind is list and len(item) < 2:
            made.keep(array_head(len(item)))
            fixed[key] = ()
            for parent in item:
                made.link(parent, place, parent=True)
        elif kind is int and 1 << 32 <= item < 1 << 63:
            made.keep(_TIME_HEAD)
            made.times.append((made.hole(_TIME_BYTES), place))
        elif kind is str and len(item) == _NONCE_BYTES and not item.strip(_DIGITS):
            made.keep(pack_text(item)[:-_NONCE_BYTES])
            made.nonces.append((made.hole(_NONCE_BYTES), place))
        elif key in _FIXED and len(item) <= _MOST_TEXT:
            made.keep(pack_text(item))
            fixed[key] = item
        else:
            return None
    return made.form(fixed)


class Forms:
    """The forms seen last, the most recent first. Threads may share one: the list is replaced, never changed."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._known: tuple[Form, ...] = ()
        self._learnt = self._tried = 0

    def read(self, body: bytes) -> tuple[list[Any], list[bytes]] | None:
        """Return the fields in order, and the links as 33 bytes each, of a body that fits a form; else None."""
        for form in self._known:
            holes = form.holes(body)
            if holes is not None:
                filled, raws = [*form.fixed], []
                for number, place, kind, label, parent in form.links:
                    link = _new(Link, (kind, holes[number]))
                    filled[place] = (link,) if parent else link
                    raws.append(label + holes[number])
                for number, place in form.times:
                    filled[place] = _read_int(holes[number], "big")
                for number, place in form.nonces:
                    filled[place] = holes[number].decode("ascii")
                return filled, raws
        return None

    def links(self, body: bytes) -> list[bytes] | None:
        """Return the links alone, as `read` does."""
        for form in self._known:
            holes = form.holes(body)
            if holes is not None:
                return [label + holes[number] for number, _, _, label, _ in form.links]
        return None

    def tries(self) -> bool:
        """True so many times as it may pay to decode an execution strictly only to learn its form."""
        self._tried += 1
        return self._tried <= _MOST_LEARNT

    def learn(self, value: Mapping[str, Any]) -> None:
        """Remember the form of an execution that was decoded strictly, if it has one."""
        form = form_of(value, self._fields) if self._learnt < _MOST_LEARNT else None
        if form is not None:
            self._learnt += 1
            self._known = (form, *self._known[: MOST_FORMS - 1])
