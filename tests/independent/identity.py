"""Format 1 of identity, from docs/spec/identity.md alone: encoding, settings, lists, trees, runs, executions, tags. Slow and short.

A value is None, a bool, int, float, str, list, dict, bytes (which become a blob) or a Link.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

from blake3 import blake3

KINDS = {"blob": 1, "value": 2, "list": 3, "tree": 4, "execution": 5, "tag": 6}
BLOB, VALUE, LIST, TREE, EXECUTION, TAG = KINDS.values()
NAMES = {code: name for name, code in KINDS.items()}
IN_VALUES, IN_TREES, ANY = {BLOB, VALUE}, {BLOB, VALUE, LIST, TREE}, set(KINDS.values())
CORE = ("model", "prompt", "parameters", "documents", "tools", "history", "runtime")
SETTINGS, LISTS = {"model", "parameters", "runtime", "environment"}, {"documents", "tools", "history"}
BOUNDARY, MOST, NODES, BYTES, DEPTH, DIGITS = 477218588, 1 << 32, 1_000_000, 1 << 24, 64, 65_536


class Bad(ValueError):
    """What the format does not allow."""


class Link(NamedTuple):
    """A kind code and an id."""

    kind: int
    id: bytes


Fetch = Callable[[Link], bytes]


def want(holds: bool, fact: str) -> None:
    """Raise Bad unless a rule holds."""
    if not holds:
        raise Bad(fact)


def link(kind: int, body: bytes) -> Link:
    """Section 1: the id of an object."""
    return Link(kind, blake3(body, derive_key_context=f"runstore 2026 v1 {NAMES[kind]}").digest())


# --- section 2: values, section 3: settings ----------------------------------------------------------------------------------


def encode(value: Any, *, links: Iterable[int] = IN_VALUES, settings: bool = False) -> bytes:
    """The body of a value, or of the normal form of settings."""
    left = NODES

    def put(item: Any, depth: int) -> bytes:
        nonlocal left
        left -= 1
        want(left >= 0, "too many nodes")
        if item is None or isinstance(item, bool):
            return b"\xc3" if item else b"\xc0" if item is None else b"\xc2"
        if isinstance(item, float):
            want(isfinite(item), "not finite")
            return integer(int(item)) if settings and item.is_integer() and abs(item) <= 2**53 else b"\xcb" + struct.pack(">d", item)
        if isinstance(item, int):
            return integer(item)
        if isinstance(item, str):
            return text(item)
        if isinstance(item, bytes):
            item = link(BLOB, item)
        if isinstance(item, Link):
            want(item.kind in links and len(item.id) == 32, "no link that may stand here")
            return ext(1, bytes([item.kind]) + item.id)
        want(isinstance(item, list | dict), f"no type of the format: {type(item)}")
        want(depth > 0, "too deep")
        if isinstance(item, list):
            return head(len(item), 0x90, 15, b"\xdc\xdd") + b"".join([put(each, depth - 1) for each in item])
        keys = [(join(key).encode("utf-8", "surrogatepass"), key) for key in item]
        want(len({key for key, _ in keys}) == len(keys), "a key twice")
        left -= len(keys)
        ordered = sorted(keys) if settings else keys
        return head(len(item), 0x80, 15, b"\xde\xdf") + b"".join([text(key) + put(item[key], depth - 1) for _, key in ordered])

    body = put(value, DEPTH)
    want(len(body) <= BYTES, "too large")
    return body


def head(count: int, fix: int, most: int, codes: bytes) -> bytes:
    """The shortest header of a string, an array or a map."""
    if count <= most:
        return bytes([fix + count])
    widths = [("B", 0xFF)] * (len(codes) == 3) + [("H", 0xFFFF), ("I", 0xFFFFFFFF)]
    return next(bytes([code]) + struct.pack(">" + form, count) for code, (form, top) in zip(codes, widths, strict=True) if count <= top)


def ext(code: int, data: bytes) -> bytes:
    """An extension with its shortest header."""
    fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(len(data))
    return (bytes([fixed]) if fixed else head(len(data), 0, -1, b"\xc7\xc8\xc9")) + bytes([code]) + data


def integer(number: int) -> bytes:
    """An int in its shortest form."""
    if -32 <= number < 128:
        return struct.pack("b", number)
    for code, form in zip(range(0xCC, 0xD0), "BHIQ", strict=True) if number >= 0 else zip(range(0xD0, 0xD4), "bhiq", strict=True):
        try:
            return bytes([code]) + struct.pack(">" + form, number)
        except struct.error:
            continue
    want(number.bit_length() <= 4 * DIGITS, "too many digits")
    digits = str(Decimal(number))
    want(len(digits.lstrip("-")) <= DIGITS, "too many digits")
    return ext(2, digits.encode())


def join(text: str) -> str:
    """Join every high surrogate with the low one behind it."""
    want(isinstance(text, str), "a key that is no string")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def text(given: str) -> bytes:
    """A string as str, or as ext 3 where lone surrogates remain."""
    data = join(given).encode("utf-8", "surrogatepass")
    return ext(3, data) if re.search("[\ud800-\udfff]", join(given)) else head(len(data), 0xA0, 31, b"\xd9\xda\xdb") + data


def decode(body: bytes, *, links: Iterable[int] = IN_VALUES, settings: bool = False) -> Any:
    """The value of a body: what was read must encode to the same bytes, with nothing left over."""
    want(len(body) <= BYTES, "too large")
    at, left = 0, NODES

    def take(count: int) -> bytes:
        nonlocal at
        want(at + count <= len(body), "cut short")
        at += count
        return body[at - count : at]

    def number(form: str) -> Any:
        return struct.unpack(">" + form, take(struct.calcsize(form)))[0]

    def get(depth: int) -> Any:
        nonlocal left
        left -= 1
        want(left >= 0 and depth >= -1, "too many nodes, or too deep")
        code = take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return code - (code >= 0xE0) * 256
        if code < 0xC0:
            return array(code & 15, depth) if 0x90 <= code < 0xA0 else mapping(code & 15, depth) if code < 0x90 else string(code & 31)
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if code == 0xCB or 0xCC <= code <= 0xD3:
            return number("d" if code == 0xCB else "BHIQbhiq"[code - 0xCC])
        if 0xD4 <= code <= 0xD8 or 0xC7 <= code <= 0xC9:
            return extension(1 << (code - 0xD4) if code >= 0xD4 else number("BHI"[code - 0xC7]))
        want(code >= 0xD9, "a type that is not used")
        size = number("BHIHIHI"[code - 0xD9])
        return string(size) if code < 0xDC else array(size, depth) if code < 0xDE else mapping(size, depth)

    def string(size: int) -> str:
        return take(size).decode("utf-8")

    def array(size: int, depth: int) -> list[Any]:
        want(size <= left, "too many nodes")
        return [get(depth - 1) for _ in range(size)]

    def mapping(size: int, depth: int) -> dict[Any, Any]:
        want(2 * size <= left, "too many nodes")
        found = {}
        for _ in range(size):
            key = get(-1)
            want(isinstance(key, str), "a key that is no string")
            found[key] = get(depth - 1)
        return found

    def extension(size: int) -> Any:
        code, data = take(1)[0], take(size)
        if code == 1:
            want(len(data) == 33, "a link that is none")
            return Link(data[0], data[1:])
        if code == 2:
            want(len(data) <= DIGITS + 1 and re.fullmatch(rb"-?[1-9][0-9]*", data) is not None, "no integer")
            return int(Decimal(data.decode()))
        want(code == 3, "an extension that is not used")
        return data.decode("utf-8", "surrogatepass")

    try:
        value = get(DEPTH)
    except UnicodeDecodeError as error:
        raise Bad("no UTF-8") from error
    want(encode(value, links=links, settings=settings) == body, "another form of the same value, or something left over")
    return value


def from_json(source: str | bytes) -> Any:
    """The value of a JSON text."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        want(len({key for key, _ in pairs}) == len(pairs), "a key twice")
        return dict(pairs)

    def whole(digits: str) -> int:
        want(len(digits.lstrip("-")) <= DIGITS, "too many digits")
        return int(Decimal(digits))

    def refuse(name: str) -> None:
        raise Bad(name)

    try:
        read = source if isinstance(source, str) else source.decode("utf-8")
        return json.loads(read, parse_int=whole, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Bad(str(error)[:80]) from error


# --- section 4: lists --------------------------------------------------------------------------------------------------------


def closes(place: int, item: bytes) -> bool:
    """True if an item with this id, the k-th of its node, closes it."""
    return place == 64 or (place >= 8 and int.from_bytes(item[:4], "big") < BOUNDARY)


def build(elements: list[Link]) -> tuple[Link, dict[Link, bytes]]:
    """The root of a list, and the bodies of all its nodes."""
    bodies: dict[Link, bytes] = {}
    items = [(1, each) for each in elements]
    for level in range(17):
        made: list[tuple[int, Link]] = []
        node: list[tuple[int, Link]] = []
        for number, item in enumerate(items or [(0, None)], 1):
            if item[1] is not None:
                node.append(item)  # type: ignore[arg-type]
            if number >= len(items) or closes(len(node), node[-1][1].id):
                body = encode([level, [each if level == 0 else [count, each] for count, each in node]], links=ANY)
                made.append((sum(count for count, _ in node), link(LIST, body)))
                bodies[made[-1][1]] = body
                node = []
        if len(made) == 1:
            return made[0][1], bodies
        items = made
    raise Bad("too many levels")


def check_node(body: bytes) -> tuple[int, list[tuple[int, Link]]]:
    """The level and the items of a node that is right when read alone."""
    node = decode(body, links=ANY)
    want(isinstance(node, list) and len(node) == 2 and type(node[0]) is int and isinstance(node[1], list), "no node")
    level, items = node
    want(0 <= level <= 16 and len(items) <= 64 and (level == 0 or len(items) > 0), "no node")
    pairs = [(1, each) for each in items] if level == 0 else items
    for place, pair in enumerate(pairs, 1):
        want(isinstance(pair, list | tuple) and len(pair) == 2 and type(pair[0]) is int and isinstance(pair[1], Link), "no item")
        want(1 <= pair[0] <= MOST and pair[1].kind in ({BLOB, VALUE} if level == 0 else {LIST}), "no item of this level")
        want(place == len(pairs) or not closes(place, pair[1].id), "an item closes the node before its end")
    want(sum(count for count, _ in pairs) <= MOST, "too many elements")
    return level, [(count, each) for count, each in pairs]


def check_list(root: Link, fetch: Fetch) -> int:
    """The number of elements of a list whose structure is the one that its elements give it."""
    seen: dict[Link, tuple[int, int, bool, int]] = {}

    def check(at: Link) -> tuple[int, int, bool, int]:
        if at not in seen:
            level, items = check_node(fetch(at))
            shut = bool(items) and closes(len(items), items[-1][1].id)
            for place, (count, child) in enumerate(items if level else [], 1):
                below, size, closed, _ = check(child)
                want(below == level - 1 and size == count > 0, "a child of another level or size")
                want(closed or place == len(items), "a child that is not closed")
                shut = shut and (closed or place < len(items))
            seen[at] = level, sum(count for count, _ in items), shut, len(items)
        return seen[at]

    level, size, _, width = check(root)
    want(level == 0 or width > 1, "a root with one child")
    return size


# --- sections 5 to 9: trees, runs, executions, tags --------------------------------------------------------------------------


def tree(slots: dict[str, Any]) -> bytes:
    """The body of a tree: a link, False (absent) or None (unknown) for each name."""
    body = encode([[name, slots[name]] for name in sorted(slots)], links=ANY)
    check_tree(body)
    return body


def check_tree(body: bytes) -> dict[str, Any]:
    """The slots of a tree; a tree that states all seven core slots is a run, and its slots have the kinds that are named."""
    pairs = decode(body, links=ANY)
    want(isinstance(pairs, list) and len(pairs) <= 4096, "no tree")
    names = []
    for pair in pairs:
        want(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str), "no entry")
        names.append(pair[0])
        want(re.fullmatch(r"[a-z][a-z0-9._-]{0,63}", pair[0]) is not None, "no name")
        want(pair[1] is None or pair[1] is False or (isinstance(pair[1], Link) and pair[1].kind in IN_TREES), "no slot")
    want(names == sorted(set(names)), "not sorted, or a name twice")
    slots = dict(pairs)
    if slots.keys() >= set(CORE):
        for name in {*CORE, "output_format", "extra", "environment"} & slots.keys():
            kind = LIST if name in LISTS else VALUE
            want(not isinstance(slots[name], Link) or slots[name].kind == kind, f"{name} links to another kind")
    return slots


def check_run(body: bytes, fetch: Fetch) -> None:
    """Check a run with all that it links to at hand, but for the elements of its lists."""
    slots = check_tree(body)
    want(slots.keys() >= set(CORE), "no run")
    for name, slot in slots.items():
        if not isinstance(slot, Link):
            continue
        if name in SETTINGS:
            decode(fetch(slot), settings=True)
        elif name in LISTS:
            check_list(slot, fetch)
            below = [slot]
            while below:
                level, items = check_node(fetch(below.pop()))
                want(level > 0 or all(each.kind == VALUE for _, each in items), "an element that is no value")
                below += [each for _, each in items if level]


def run(slots: dict[str, Any]) -> tuple[Link, Link]:
    """The run and the request of slots given as values: None is unknown, False absent."""
    links: dict[str, Any] = dict.fromkeys(CORE)
    for name, slot in slots.items():
        if slot is None or slot is False:
            links[name] = slot
        elif name in LISTS:
            links[name] = build([link(VALUE, encode(each)) for each in slot])[0]
        else:
            links[name] = link(VALUE, encode(slot, settings=name in SETTINGS))
    return link(TREE, tree(links)), link(TREE, tree({**links, "runtime": None}))


PLACES: dict[str, Any] = {
    "run": {TREE}, "cause": {EXECUTION}, "output": {VALUE, LIST, BLOB}, "response": {VALUE}, "wire": {VALUE}, "parents": list,
    "status": str, "nonce": str, "actor": str, "message": str, "started": int, "ended": int, "usage": dict, "notes": dict, "extra": dict,
}  # fmt: skip
OF_TAGS: dict[str, Any] = {"target": ANY, "name": str, "actor": str, "message": str, "time": int}


def check_map(body: bytes, places: dict[str, Any]) -> dict[str, Any]:
    """A settings map with these keys and no others, and under each what its place says."""
    found = decode(body, links=ANY, settings=True)
    want(isinstance(found, dict) and found.keys() <= places.keys(), "a key that is not known")
    for key, item in found.items():
        place = places[key]
        if isinstance(place, set):
            want(isinstance(item, Link) and item.kind in place, f"{key} is no link of its kinds")
        else:
            want(type(item) is place, f"{key} is of another type")
            want(place is not int or -(1 << 63) <= item < 1 << 64, f"{key} is no 64-bit integer")
    return dict(found)


def check_execution(body: bytes) -> dict[str, Any]:
    """The fields of an execution, or of a merge."""
    found = check_map(body, PLACES)
    parents = found.get("parents")
    want(parents is not None and all(isinstance(each, Link) and each.kind == EXECUTION for each in parents), "no parents")
    want(found.get("status", "ok") in ("ok", "error", "partial", "interrupted", "merge"), "no status")
    if found.get("status") == "merge":
        ids = [each.id for each in found["parents"]]
        want(found.keys() == {"status", "parents"} and len(ids) > 1 and ids == sorted(set(ids)), "no merge")
    else:
        want("run" in found and len(found["parents"]) <= 1, "no run, or too many parents")
    return found


def check_tag(body: bytes) -> dict[str, Any]:
    """The fields of a tag."""
    found = check_map(body, OF_TAGS)
    want({"target", "name"} <= found.keys(), "no target, or no name")
    return found


def check(kind: int, body: bytes) -> None:
    """Read the body of an object of any kind strictly."""
    readers: dict[int, Callable[[bytes], Any]] = {
        VALUE: decode,
        LIST: check_node,
        TREE: check_tree,
        EXECUTION: check_execution,
        TAG: check_tag,
    }
    want(kind != BLOB or len(body) <= 1 << 32, "too large")
    if kind != BLOB:
        readers[kind](body)
