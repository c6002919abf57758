"""Forms of executions: bodies that differ in ids, times and nonces alone are told, and read, by one form.

A form is made of a body that was decoded strictly. It holds that body's bytes, with holes where another canonical item of the same
size may stand: so what fits it is canonical too, and is read in a third of the time. Bodies of other shapes (with maps, free text, merges)
have no form and are decoded the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import add, itemgetter
from struct import Struct
from typing import Any

from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link

MOST_SIZES, MOST_OF_A_SIZE = 64, 4
_MOST_LEARNT = 1000  # in one process: one that is not met again is lost work
_MOST_TEXT = 64
_FIXED = ("actor", "status")
_NONCE_BYTES, _DIGITS = 32, "0123456789abcdef"
_DIGIT_BYTES = _DIGITS.encode()
_TIME_HEAD = b"\xcf"
_LEAST_TIME, _PAST_TIME = 1 << 32, 1 << 63  # what takes nine bytes
# Where one of these stands, a map or a free text may stand: what only looks so is not worth a closer look.
_FREE = [pack_text(key) for key in ("usage", "notes", "extra", "message")]
_EACH_LINK = repeat(Link)
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


class Form:
    """How a body is cut into what is kept and what stands in the holes, and which field each of these is.

    A body is cut by one call into kept bytes and holes, in turns: a hole's place in the cut is odd.
    """

    __slots__ = ("_constants", "_ids", "_kept", "_kinds", "_labels", "_nonce", "_parent", "_pick", "_times", "_unpack", "size")

    def __init__(self, made: _Maker, fixed: Mapping[str, Any], fields: Sequence[str]) -> None:
        cutter = Struct(">" + "".join(f"{len(kept)}s{hole}" for kept, hole in zip(made.kept, [*made.holes, ""], strict=True)))
        self.size = cutter.size
        self._unpack = cutter.unpack
        self._kept = tuple(made.kept)
        places = [at for at, _, _ in made.links]
        self._ids: Callable[[tuple[Any, ...]], tuple[bytes, ...]] = _getter(places)
        self._kinds = [kind for _, _, kind in made.links]
        self._labels = [bytes((kind,)) for kind in self._kinds]
        linked = [name for _, name, _ in made.links]
        self._parent = linked.index("parents") if "parents" in linked else None
        self._times = [at for at, _ in made.times]
        self._nonce = made.nonce
        # The fields are picked from all parts of the body, the links, the nonce and what is fixed; a time is what it is cut to.
        self._constants = (*fixed.values(), None)
        times = dict(made.times)
        parts = [times.get(at) for at in range(2 * len(made.kept) - 1)]
        names = [*parts, *linked, "nonce" if made.nonce else None, *fixed]
        self._pick = itemgetter(*[names.index(field) if field in names else -1 for field in fields])

    def cut(self, body: bytes) -> tuple[Any, ...] | None:
        """Cut a body of this size; None if it does not fit."""
        cut = self._unpack(body)
        if cut[::2] != self._kept or (self._nonce is not None and cut[self._nonce].strip(_DIGIT_BYTES)):
            return None
        for at in self._times:
            if not _LEAST_TIME <= cut[at] < _PAST_TIME:
                return None
        return cut

    def values(self, cut: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the values of the fields of a body that was cut, in their order."""
        links: list[Any] = [*map(_new, _EACH_LINK, zip(self._kinds, self._ids(cut)))]  # noqa: B905 - as many, and saying so costs as much
        if self._parent is not None:
            links[self._parent] = (links[self._parent],)
        nonce = None if self._nonce is None else cut[self._nonce].decode()
        found: tuple[Any, ...] = self._pick((*cut, *links, nonce, *self._constants))
        return found

    def raws(self, cut: tuple[Any, ...]) -> list[bytes]:
        """Return the links of a body that was cut, as 33 bytes each, in their order."""
        return [*map(add, self._labels, self._ids(cut))]


def _getter(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return what takes the items at these places, one or more, out of a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    [place] = places
    return lambda cut: (cut[place],)


class _Maker:
    """A form in the making: the bytes kept, and what is cut out between them. `links` and `times` have places in the cut, and fields."""

    def __init__(self, head: bytes) -> None:
        self.kept = [head]
        self.holes: list[str] = []
        self.links: list[tuple[int, str, Kind]] = []
        self.times: list[tuple[int, str]] = []
        self.nonce: int | None = None

    def keep(self, data: bytes) -> None:
        self.kept[-1] += data

    def hole(self, form: str) -> int:
        """Begin a hole, and return its place in the cut."""
        self.holes.append(form)
        self.kept.append(b"")
        return 2 * len(self.holes) - 1

    def link(self, name: str, link: Link) -> None:
        self.keep(LINK_HEAD + bytes((link.kind,)))
        self.links.append((self.hole(f"{ID_BYTES}s"), name, link.kind))


def form_of(value: Mapping[str, Any], fields: Sequence[str]) -> Form | None:
    """Return the form of an execution that was decoded and checked, as its keys in order and what stands under them, or None."""
    made = _Maker(map_head(len(value)))
    fixed: dict[str, Any] = {}
    for key, item in value.items():
        made.keep(pack_text(key))
        kind = type(item)
        if kind is Link:
            made.link(key, item)
        elif kind is list and len(item) < 2:
            made.keep(array_head(len(item)))
            for parent in item:
                made.link(key, parent)
            if not item:
                fixed[key] = ()
        elif kind is int and _LEAST_TIME <= item < _PAST_TIME:
            made.keep(_TIME_HEAD)
            made.times.append((made.hole("Q"), key))
        elif key == "nonce" and len(item) == _NONCE_BYTES and not item.strip(_DIGITS):
            made.keep(pack_text(item)[:-_NONCE_BYTES])
            made.nonce = made.hole(f"{_NONCE_BYTES}s")
        elif key in _FIXED and len(item) <= _MOST_TEXT:
            made.keep(pack_text(item))
            fixed[key] = item
        else:
            return None
    return Form(made, fixed, fields)


class Forms:
    """The forms learnt last, by the size of a body. Threads may share one: what is known of a size is replaced, never changed."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._known: dict[int, tuple[Form, ...]] = {}
        self._met: set[int] = set()
        self._learnt = 0

    def read(self, body: bytes) -> tuple[Any, ...] | None:
        """Return the values of the fields, in their order, of a body that fits a form; else None."""
        for form in self._known.get(len(body), ()):
            cut = form.cut(body)
            if cut is not None:
                return form.values(cut)
        return None

    def open(self, body: bytes) -> tuple[tuple[Any, ...], list[bytes]] | None:
        """Return the values of the fields, and the links as 33 bytes each, of a body that fits a form; else None."""
        for form in self._known.get(len(body), ()):
            cut = form.cut(body)
            if cut is not None:
                return form.values(cut), form.raws(cut)
        return None

    def links(self, body: bytes) -> list[bytes] | None:
        """Return the links alone, as `open` does."""
        for form in self._known.get(len(body), ()):
            cut = form.cut(body)
            if cut is not None:
                return form.raws(cut)
        return None

    def due(self, body: bytes) -> bool:
        """True if it pays to learn the form of a body that fits none: it may have one, and is not the first of its size."""
        if self._learnt >= _MOST_LEARNT or any(part in body for part in _FREE):
            return False
        if len(body) in self._met:
            return True
        if len(self._met) >= 4 * MOST_SIZES:
            self._met.clear()
        self._met.add(len(body))
        return False

    def learn(self, value: Mapping[str, Any]) -> None:
        """Remember the form of an execution that was decoded strictly, if it has one."""
        self._learnt += 1
        form = form_of(value, self._fields)
        if form is None:
            return
        if form.size not in self._known and len(self._known) >= MOST_SIZES:
            self._known.clear()
        self._known[form.size] = (form, *self._known.get(form.size, ())[: MOST_OF_A_SIZE - 1])
