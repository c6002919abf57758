"""Generators of values for the properties, and what a value is compared by."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from runstore.model.general import GeneralEncoder
from runstore.model.heads import ANY_KIND, CONTENT
from runstore.model.ids import Kind, Link
from runstore.model.scalars import join_surrogates

IDS = st.binary(min_size=32, max_size=32)
CONTENT_LINKS = st.builds(Link, st.sampled_from(sorted(CONTENT)), IDS)
ANY_LINKS = st.builds(Link, st.sampled_from(sorted(ANY_KIND)), IDS)
TEXTS = st.text(max_size=40) | st.text(st.characters(exclude_categories=()), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
EDGES = [0, 127, 128, -32, -33, 255, 256, 1 << 63, -(1 << 63), (1 << 64) - 1]
INTS = st.integers() | st.integers(-(1 << 64), 1 << 65) | st.sampled_from(EDGES)
SCALARS = st.none() | st.booleans() | INTS | FLOATS | TEXTS


def nested(leaves: st.SearchStrategy[Any], size: int = 25, keys: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[Any]:
    """Values over these leaves."""
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=size)


VALUES = nested(SCALARS | CONTENT_LINKS)


def canonical(value: Any) -> Any:
    """A value as decoding gives it: strings joined. None where two keys become one."""
    if isinstance(value, str):
        return join_surrogates(value)
    if type(value) is list:
        return [canonical(item) for item in value]
    if type(value) is dict:
        return {join_surrogates(key): canonical(item) for key, item in value.items()}
    return value


def exactly(value: Any) -> Any:
    """A value in a form in which equality means the same types, the same order of keys and the same zeros."""
    if type(value) is dict:
        return ("dict", [(key, exactly(item)) for key, item in value.items()])
    if type(value) is list:
        return [exactly(item) for item in value]
    return (type(value).__name__, struct.pack(">d", value) if type(value) is float else value)


def general(value: Any, links: frozenset[Kind] = CONTENT) -> bytes:
    """The body by the general encoder."""
    return GeneralEncoder(max_depth=64, path="", links=links).encode(value).body


def unambiguous(value: Any) -> bool:
    """True if no map has two keys that are one once surrogates are joined."""
    if type(value) is dict:
        return len({join_surrogates(key) for key in value}) == len(value) and all(map(unambiguous, value.values()))
    return all(map(unambiguous, value)) if type(value) is list else True
