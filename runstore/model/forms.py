"""Forms of executions: bodies that differ in ids, times and nonces alone are told, and read, by one pattern.

A pattern is made of a body that was decoded strictly. It holds that body's bytes, with holes where another canonical item of the same
size may stand: so what fits it is canonical too. Bodies of other shapes (with maps, merges) have no form and are decoded the long way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_text
from runstore.model.ids import Kind, Link
from runstore.tuples import NamedTuple

MOST_FORMS = 8
_MOST_LEARNT = 100  # in one process: making a pattern takes as long as decoding a hundred bodies
_MOST_TEXT = 64
_FIXED = ("actor", "status")
_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LEAST_TIME, _PAST_TIME = 1 << 32, 1 << 63  # what takes nine bytes
# One whole item each: nine bytes of an integer that needs them; a text of 32 ASCII characters.
_TIME_HOLE = rb"\xcf(?!\x00{4})([\x00-\x7f].{7})"
_NONCE_HOLE = rb"([0-9a-f]{32})"
_KINDS = (None, *Kind)
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function

_read_int = int.from_bytes


def _link(data: bytes) -> Any:
    return _new(Link, (_KINDS[data[0]], data[1:]))


def _parents(data: bytes) -> Any:
    return (_new(Link, (Kind.EXECUTION, data[1:])),)


def _time(data: bytes) -> int:
    return _read_int(data, "big")


def _text(data: bytes) -> str:
    return data.decode("ascii")


class Form(NamedTuple):
    """What fits a pattern: the values of its fixed fields, and for each hole the place of its field and how it is read."""

    fit: Callable[[bytes], re.Match[bytes] | None]
    fixed: Sequence[Any]
    holes: Sequence[tuple[int, Callable[[bytes], Any]]]
    links: Sequence[int]


def form_of(value: Mapping[str, Any], fields: Sequence[str]) -> Form | None:
    """Return the form of an execution that was decoded and checked, as its keys in order and what stands under them, or None."""
    pattern = [re.escape(map_head(len(value)))]
    fixed: dict[str, Any] = dict.fromkeys(fields)
    holes: list[tuple[int, Callable[[bytes], Any]]] = []
    links: list[int] = []
    for key, item in value.items():
        pattern.append(re.escape(pack_text(key)))
        kind = type(item)
        read: Callable[[bytes], Any] | None = None
        if kind is Link:
            pattern.append(_link_hole(item))
            read = _link
        elif kind is list and len(item) < 2:
            pattern.append(re.escape(array_head(len(item))) + b"".join(map(_link_hole, item)))
            fixed[key] = ()
            read = _parents if item else None
        elif kind is int and _LEAST_TIME <= item < _PAST_TIME:
            pattern.append(_TIME_HOLE)
            read = _time
        elif kind is str and _NONCE.fullmatch(item):
            pattern.append(re.escape(pack_text(item)[:2]) + _NONCE_HOLE)
            read = _text
        elif key in _FIXED and len(item) <= _MOST_TEXT:
            pattern.append(re.escape(pack_text(item)))
            fixed[key] = item
        else:
            return None
        if read is not None:
            if read is _link or read is _parents:
                links.append(len(holes))
            holes.append((fields.index(key), read))
    return Form(re.compile(b"".join(pattern), re.DOTALL).fullmatch, tuple(fixed.values()), tuple(holes), tuple(links))


def _link_hole(link: Link) -> bytes:
    return LINK_HEAD + b"(" + re.escape(link.raw[:1]) + b".{32})"


class Forms:
    """The forms seen last, the most recent first. Threads may share one: the list is replaced, never changed."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._known: tuple[Form, ...] = ()
        self._learnt = self._tried = 0

    def read(self, body: bytes) -> tuple[list[Any], list[bytes]] | None:
        """Return the fields in order, and the links as 33 bytes each, of a body that fits a form; else None."""
        for form in self._known:
            found = form.fit(body)
            if found is not None:
                parts = found.groups()
                filled = list(form.fixed)
                for (place, read), part in zip(form.holes, parts, strict=True):
                    filled[place] = read(part)
                return filled, [parts[at] for at in form.links]
        return None

    def links(self, body: bytes) -> list[bytes] | None:
        """Return the links alone, as `read` does."""
        for form in self._known:
            found = form.fit(body)
            if found is not None:
                parts = found.groups()
                return [parts[at] for at in form.links]
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
