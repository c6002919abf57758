"""Tags: named statements about an object.

A signature is no part of the body: it signs the text that `signed_text` gives and is kept beside the tag.
Source: docs/spec/identity.md, "Tags".
"""

from __future__ import annotations

from typing import Any

from runstore.errors import InvalidInput, Refused
from runstore.model.encoding import ANY_KIND, decode, decode_trusted
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.scalars import LEAST_INT, MOST_INT
from runstore.model.settings import check_normal, encode_settings
from runstore.tuples import NamedTuple


class Tag(NamedTuple):
    """A named statement about any object. `time` is integer microseconds since 1970 UTC."""

    target: Link
    name: str
    actor: str | None = None
    message: str | None = None
    time: int | None = None


_KEYS = ("actor", "message", "name", "target", "time")
_KNOWN = frozenset(_KEYS)


def encode_tag(tag: Tag) -> Object:
    """Return the object of a tag. Raises InvalidInput."""
    given = {key: item for key in _KEYS if (item := getattr(tag, key)) is not None}
    encoded = encode_settings(given, links=ANY_KIND)
    body = encoded.body
    try:
        _read(decode_trusted(body))
    except Refused as error:
        raise InvalidInput(str(error), kind=error.kind) from error
    return make_object(Kind.TAG, body)


def decode_tag(body: bytes) -> Tag:
    """Return the tag of a body, strictly. Raises Refused."""
    value = decode(body)
    check_normal(value)
    return _read(value)


def signed_text(id: bytes) -> bytes:
    """Return the ASCII text that a signature of this tag signs."""
    return b"runstore 2026 v1 tag:" + id.hex().encode("ascii")


def _read(value: Any) -> Tag:
    if type(value) is not dict or not value.keys() <= _KNOWN:
        raise _bad(f"it is no map of {', '.join(_KEYS)}")
    if type(value.get("target")) is not Link or type(value.get("name")) is not str:
        raise _bad("it has no target, or no name")
    for key in ("actor", "message"):
        if key in value and type(value[key]) is not str:
            raise _bad(f"{key} is no string")
    if "time" in value and (type(value["time"]) is not int or not LEAST_INT <= value["time"] <= MOST_INT):
        raise _bad("time is no number of microseconds within 64 bits")
    return Tag(**value)


def _bad(fact: str) -> Refused:
    return Refused(f"not a tag: {fact}", kind="bad-tag")
