"""Settings: values that an engine obeys, compared as data.

The normal form sorts maps at every depth by the bytes of their keys and turns a float with an integral value of magnitude up
to 2**53 into the int, so that `{"top_p": 1.0, "seed": 7}` and `{"seed": 7, "top_p": 1}` are one object.
Source: docs/spec/identity.md, "Settings".
"""

from __future__ import annotations

from typing import Any

from runstore.errors import Refused
from runstore.model.encoding import CONTENT, Encoded, decode, encode, pack_plain
from runstore.model.ids import Kind, Link
from runstore.model.limits import MAX_DEPTH
from runstore.model.scalars import join_surrogates

_EXACT_BELOW = 2.0**53  # from here on not every integer has a float of its own
_KEPT = (type(None), bool, str, bytes, Link)


def encode_settings(value: Any, *, max_depth: int = MAX_DEPTH, path: str = "", links: frozenset[Kind] = CONTENT) -> Encoded:
    """Return the body of the normal form and the blobs of its bytes. Raises InvalidInput, LimitExceeded as `encode` does."""
    body = pack_plain(value, max_depth)
    if body is None:
        # The general encoder finds what is wrong, and bounds the depth before `normalise` goes down.
        from runstore.model.general import GeneralEncoder

        GeneralEncoder(max_depth=max_depth, path=path, links=links).encode(value)
    elif is_normal(value):
        return Encoded(body, ())
    return encode(normalise(value), max_depth=max_depth, path=path, links=links)


def decode_settings(body: bytes) -> Any:
    """Return the settings of a `value` body. Raises Refused if it is not the body of a normal form."""
    value = decode(body, links=CONTENT)
    check_normal(value)
    return value


def check_normal(value: Any) -> None:
    """Raise Refused unless a decoded value is in normal form."""
    if not is_normal(value):
        raise Refused("settings that are not in normal form: keys not sorted, or a float for an integer", kind="not-normal")


def is_normal(value: Any) -> bool:
    """True if a value of built-in types is in normal form."""
    level = [value]
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                keys = list(item)
                if keys != sorted(keys):
                    return False
                below += item.values()
            elif kind is list:
                below += item
            elif kind is float and item.is_integer() and -_EXACT_BELOW <= item <= _EXACT_BELOW:
                return False
        level = below
    return True


def normalise(value: Any) -> Any:
    """Return the normal form of a value that `encode` takes: new lists and dicts of built-in types.

    Strings sort by code point, which is the order of their UTF-8 and WTF-8 bytes. The depth of what is given is the depth of
    the calls: check it first where it is not known.
    """
    if isinstance(value, _KEPT):
        return value
    if isinstance(value, float):
        number = float.__float__(value)
        return int(number) if number.is_integer() and -_EXACT_BELOW <= number <= _EXACT_BELOW else number
    if isinstance(value, dict):
        return dict(sorted((join_surrogates(str.__str__(key)), normalise(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return [normalise(item) for item in value]
    return value
