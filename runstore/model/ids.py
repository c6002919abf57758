"""Kinds, ids and links: the name of a thing is the hash of its canonical bytes.

Pure: nothing here reads a file, a clock or the environment. Packing is not part of identity, so repacking changes no id.
Source: docs/spec/identity.md, "Objects, ids, links".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from blake3 import blake3

from runstore.errors import InvalidInput
from runstore.tuples import NamedTuple

ID_BYTES = 32
LINK_BYTES = 33


class Kind(IntEnum):
    """The kinds of format 1 with their codes in links. A later format adds codes and never reuses one."""

    BLOB = 1
    VALUE = 2
    LIST = 3
    TREE = 4
    EXECUTION = 5
    TAG = 6

    @property
    def label(self) -> str:
        """The kind's name in text: `blob`, `value`, ..."""
        return self.name.lower()


KINDS = {kind.label: kind for kind in Kind}
_BY_CODE: tuple[Kind | None, ...] = (None, *Kind)  # calling Kind(code) costs ten times as much
_CODES = tuple(bytes((code,)) for code in range(len(Kind) + 1))

# One keyed hasher a kind, copied for each id: deriving the key costs more than hashing a small body.
_HASHERS: list[Any] = [None, *(blake3(derive_key_context=f"runstore 2026 v1 {kind.label}") for kind in Kind)]
_HEX_DIGITS = "0123456789abcdef"


def object_id(kind: int, body: bytes) -> bytes:
    """Return the 32-byte id of the object with this kind and body."""
    digest: bytes = _HASHERS[kind].copy().update(body).digest()
    return digest


class Id(bytes):
    """The 32 bytes of an id that is shown to people: compares and hashes as bytes, and `str()` gives its 64 hex digits."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"Id({self.hex()!r})"


class Link(NamedTuple):
    """A kind and a 32-byte id: what one object holds of another. `str()` gives `kind:hex`."""

    kind: Kind
    id: bytes

    @property
    def raw(self) -> bytes:
        """The 33 bytes that stand in bodies: the kind code, then the id."""
        return _CODES[self.kind] + self.id

    @property
    def hex(self) -> str:
        """The id as 64 lower-case hex digits."""
        return self.id.hex()

    def __str__(self) -> str:
        return f"{self.kind.label}:{self.id.hex()}"


# Links and objects are made by the thousand, and the constructor of a named tuple is a Python function.
_new: Any = tuple.__new__


class Object(NamedTuple):
    """An object at hand: its kind code, its id and its body. Whoever makes one vouches that the three agree."""

    kind: int
    id: bytes
    body: bytes

    @property
    def link(self) -> Link:
        """The link to this object."""
        made: Link = _new(Link, (_BY_CODE[self.kind], self.id))  # an object has a known kind
        return made


def make_object(kind: int, body: bytes) -> Object:
    """Name a body: the object whose id is computed from it."""
    made: Object = _new(Object, (kind, _HASHERS[kind].copy().update(body).digest(), body))
    return made


def make_objects(kind: int, bodies: Iterable[bytes]) -> list[Object]:
    """Name bodies of one kind, as `make_object` does."""
    copy = _HASHERS[kind].copy
    return [_new(Object, (kind, copy().update(body).digest(), body)) for body in bodies]


def link_from_raw(raw: bytes) -> Link:
    """Read the 33 bytes of a link. Raises InvalidInput for another length or an unknown kind code."""
    if len(raw) != LINK_BYTES or not 1 <= raw[0] <= 6:
        fact = f"a link is 33 bytes that begin with a kind code 1 to 6, not {raw[:4].hex()}… ({len(raw)} bytes)"
        raise InvalidInput(fact, kind="bad-link")
    made: Link = _new(Link, (_BY_CODE[raw[0]], raw[1:]))  # the code is in range
    return made


def check_prefix(prefix: str) -> None:
    """Raise InvalidInput unless a text is the beginning of an id: 1 to 64 lower-case hex digits."""
    if not 1 <= len(prefix) <= 2 * ID_BYTES or prefix.strip(_HEX_DIGITS):
        raise InvalidInput(f"not the beginning of an id: {prefix[:80]!r}", hint="it is 1 to 64 lower-case hex digits", kind="bad-id")


def parse_link(text: str, kind: Kind | None = None) -> Link:
    """Read a text id: `kind:hex`, or bare hex where `kind` gives the context. Raises InvalidInput otherwise."""
    label, colon, digits = text.rpartition(":")
    named = KINDS.get(label) if colon else kind
    if len(digits) != 2 * ID_BYTES or digits.strip(_HEX_DIGITS) or (colon and named is None):
        raise InvalidInput(f"not an id: {text[:80]!r}", hint="an id is 64 lower-case hex digits, alone or as kind:hex", kind="bad-id")
    if named is None:
        raise InvalidInput(f"the id {text} does not say its kind", hint=f"write it as kind:{digits[:8]}…", kind="bad-id")
    if kind is not None and named is not kind:
        raise InvalidInput(f"{label}:{digits[:8]}… is of kind {label}, and kind {kind.label} is wanted here", kind="bad-id")
    return Link(named, bytes.fromhex(digits))
