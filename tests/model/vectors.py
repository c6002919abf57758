"""The vectors of docs/spec/vectors, and their notation of values as Python values."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from runstore.model.encoding import encode
from runstore.model.ids import Kind, Link, Object, make_object, parse_link
from runstore.model.nodes import BOUNDARY, inner_body, leaf_body
from runstore.model.scalars import parse_digits

VECTORS = Path(__file__).parents[2] / "docs" / "spec" / "vectors"


class Pairs(dict[str, Any]):
    """A map as a test writes it: its items may repeat a key, or have keys that no dict of this program should have."""

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self._pairs = list(pairs)
        super().__init__(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> Any:
        """Every pair, in the order given."""
        return list(self._pairs)


@cache
def load(name: str) -> Any:
    """One file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def cases(name: str, key: str = "cases") -> list[Any]:
    """The cases under one key of a file, as pytest parameters with names."""
    import pytest

    return [pytest.param(case, id=f"{number}-{_label(case)}") for number, case in enumerate(load(name)[key])]


def _label(case: Any) -> str:
    text = case.get("name") or case.get("reason") or case.get("text", "") if isinstance(case, dict) else str(case)
    return "".join(char if char.isalnum() and char.isascii() else "-" for char in text[:40])


def link(spec: Any) -> Link:
    """A link from either notation."""
    return parse_link(spec if isinstance(spec, str) else ":".join(spec))


def value(notation: Any) -> Any:
    """The Python value that a notation means."""
    ((kind, spec),) = notation.items()
    return _BUILD[kind](spec)


def _text(spec: Any) -> Any:
    return spec if isinstance(spec, str) else value(spec)


def _map(spec: Any) -> dict[str, Any]:
    pairs = [(_text(key), value(item)) for key, item in spec]
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else Pairs(pairs)


def _nest(spec: Any) -> Any:
    inner = value(spec[0])
    for _ in range(spec[1]):
        inner = [inner]
    return inner


def _nest_map(spec: Any) -> Any:
    inner = value(spec[0])
    for _ in range(spec[1]):
        inner = {"k": inner}
    return inner


_BUILD = {
    "nil": lambda spec: None,
    "bool": lambda spec: spec,
    "int": parse_digits,
    "int_repeat": lambda spec: parse_digits(spec[0] + spec[1] * spec[2]),
    "float": float,
    "float_bits": lambda spec: struct.unpack(">d", bytes.fromhex(spec))[0],
    "str": lambda spec: spec,
    "wtf8_hex": lambda spec: bytes.fromhex(spec).decode("utf-8", "surrogatepass"),
    "utf16_hex": lambda spec: "".join(chr(int(spec[at : at + 4], 16)) for at in range(0, len(spec), 4)),
    "str_repeat": lambda spec: spec[0] * spec[1],
    "blob_hex": bytes.fromhex,
    "link": link,
    "array": lambda spec: [value(item) for item in spec],
    "array_repeat": lambda spec: [value(spec[0])] * spec[1],
    "nest": _nest,
    "map": _map,
    "map_range": lambda spec: {f"k{number}": number for number in range(spec)},
    "nest_map": _nest_map,
}


def body_of(case: Any) -> bytes:
    """The body of a case that has to be refused."""
    if "body" in case:
        return bytes.fromhex(case["body"])
    return b"".join(bytes.fromhex(piece) * times for piece, times in case["body_parts"])


def text_of(case: Any) -> str | bytes:
    """The JSON text of a case."""
    if "text_hex" in case:
        return bytes.fromhex(case["text_hex"])
    return case["text"] if "text" in case else "".join(piece * times for piece, times in case["text_parts"])


def agrees(case: Any, body: bytes) -> bool:
    """True if the body is the one that the case states, in full or by its length and head."""
    if "body" in case:
        return body == bytes.fromhex(case["body"])
    return len(body) == case["body_len"] and body.startswith(bytes.fromhex(case["body_head"]))


@cache
def element_raw(number: int) -> bytes:
    """The link to element i of the list vectors: the value `{"i": i}`."""
    return make_object(Kind.VALUE, encode({"i": number}).body).link.raw


def element_raws(generator: Any) -> list[bytes]:
    """The elements that a generator of the list vectors gives, as links of 33 bytes."""
    ((kind, spec),) = generator.items()
    if kind == "range":
        return [element_raw(number) for number in range(*spec)]
    if kind == "same":
        return [element_raw(spec[0])] * spec[1]
    if kind == "blobs":
        return [make_object(Kind.BLOB, str(number).encode()).link.raw for number in range(spec)]
    if kind == "join":
        return [raw for part in spec for raw in element_raws(part)]
    found: list[bytes] = []
    number = 0
    while len(found) < spec:
        raw = element_raw(number)
        if (raw[1:5] < BOUNDARY) is (kind == "triggering"):
            found.append(raw)
        number += 1
    return found


def nodes(specs: list[Any]) -> list[Object]:
    """The nodes of a structure case, the root last."""
    made: list[Object] = []
    for spec in specs:
        if isinstance(spec, str):
            body = bytes.fromhex(spec)
        elif spec["level"] == 0:
            body = leaf_body(element_raws(spec["elements"]))
        else:
            pairs = [(count, made[child].link.raw) for count, child, times in spec["children"] for _ in range(times)]
            body = inner_body(spec["level"], [count for count, _ in pairs], [raw for _, raw in pairs])
        made.append(make_object(Kind.LIST, body))
    return made


def fetcher(objects: Iterable[Object]) -> Any:
    """A fetch from these objects alone."""
    from runstore.errors import NotFound

    held = {item.id: item for item in objects}

    def fetch(id: bytes) -> Object:
        if id not in held:
            raise NotFound(f"no object {id.hex()}")
        return held[id]

    return fetch
