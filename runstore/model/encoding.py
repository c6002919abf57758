"""Values to bytes and back: a strict profile of MessagePack, with one accepted form for each value.

Python to value: None, bool, int of any size, float, str (also with lone surrogates), list, tuple, dict with str keys in its
order, and Link; subclasses count as their base; exactly `bytes` becomes a blob and a link to it. Value to Python: the same
types, without tuples and bytes. `decode(encode(x).body)` gives x back, and no other body decodes to it.
Source: docs/spec/identity.md, "Values" and "Limits".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

from runstore.errors import InvalidInput, Refused
from runstore.model.heads import ANY_KIND, CONTENT, EXT_INT, EXT_LINK, EXT_TEXT, Encoded
from runstore.model.ids import ID_BYTES, LINK_BYTES, Kind, Link, link_from_raw
from runstore.model.limits import MAX_BODY, MAX_DEPTH, MAX_NODES
from runstore.model.scalars import int_from_digits, text_from_wtf8

__all__ = ["ANY_KIND", "CONTENT", "Encoded", "decode", "decode_trusted", "decode_value", "encode", "pack_plain"]

_MANY = 16  # items from which it pays to look whether all are of one type
_CAREFUL = 1024  # bytes from which a body is walked once before anything is built from it
_NO_KIND: frozenset[Kind] = frozenset()


def encode(value: Any, *, max_depth: int = MAX_DEPTH, path: str = "", links: frozenset[Kind] = CONTENT) -> Encoded:
    """Return the body of a value and the blobs that its bytes became.

    `path` names the value in errors; `links` says to which kinds it may link. Raises InvalidInput for what no body can hold
    (the message begins with the place, as in `history[3].content[0].x`), LimitExceeded for what is too deep or too large.
    """
    body = pack_plain(value, max_depth, links)
    if body is not None:
        return Encoded(body, ())
    from runstore.model.general import GeneralEncoder  # most values need none

    return GeneralEncoder(max_depth=max_depth, path=path, links=links).encode(value)


def _link_to_ext(item: Any) -> Any:
    if type(item) is not Link:
        raise TypeError(type(item).__name__)
    return tuple.__new__(msgpack.ExtType, (EXT_LINK, item.raw))  # its own checks cost more than all the rest


# Packers at rest. One in use belongs to its caller: a packer calls back into Python, where another thread may go on.
_plain: list[Callable[[Any], bytes]] = []
_linked: list[Callable[[Any], bytes]] = []


def _new_pack(*, links: bool) -> Callable[[Any], bytes]:
    # strict_types hands subclasses and tuples to the general encoder instead of packing them unseen.
    pack: Callable[[Any], bytes] = msgpack.Packer(strict_types=True, default=_link_to_ext if links else None).pack
    return pack


def pack_plain(value: Any, max_depth: int = MAX_DEPTH, links: frozenset[Kind] = _NO_KIND) -> bytes | None:
    """Return the body of a value made of exact built-in types only; None where the general encoder has to look.

    Links to the kinds in `links` count as built-in. The packer takes NaN, infinities, bytes, keys that are no strings and its own types
    without a word, so every level of the value is looked at before it is called.
    """
    level: Any = (value,)
    nodes, size = 1, 0
    try:
        while level:
            below: list[Any] = []
            for item in () if len(level) > _MANY and _are_finite_floats(level) else level:
                kind = type(item)
                if kind is str:
                    size += len(item)
                elif kind is dict:
                    if not max_depth:
                        return None
                    size += len("".join(item))  # raises TypeError for a key that is no string
                    nodes += 2 * len(item)
                    if nodes > MAX_NODES:  # before they are gathered: what is given may hold itself many times
                        return None
                    below += item.values()
                elif kind is list:
                    nodes += len(item)
                    if not max_depth or nodes > MAX_NODES:
                        return None
                    below += item
                elif kind is float:
                    if item - item != 0:
                        return None
                elif kind is Link:
                    if item.kind not in links or len(item.id) != ID_BYTES:
                        return None
                elif kind is not int and kind is not bool and item is not None:
                    return None
            if size > MAX_BODY:
                return None
            max_depth -= 1
            level = below
        resting = _linked if links else _plain
        try:
            pack = resting.pop()
        except IndexError:
            pack = _new_pack(links=bool(links))
        body = pack(value)
        resting.append(pack)
    except (TypeError, ValueError, OverflowError):
        return None
    return body if len(body) <= MAX_BODY else None


def _are_finite_floats(items: Any) -> bool:
    """True if these are floats alone, as in an embedding, and a sum of them is finite: then each of them is."""
    if {*map(type, items)} != {float}:
        return False
    total: float = sum(items)
    return total - total == 0


def decode(
    body: bytes, *, links: frozenset[Kind] = ANY_KIND, max_depth: int = MAX_DEPTH, take: Callable[[bytes], object] | None = None
) -> Any:
    """Return the value of a body, strictly: encoding it again gives the same bytes. Raises Refused for anything else.

    `take` is given every link as 33 bytes, in their order.
    """
    known: dict[int, bytes] = {}

    def read(code: int, data: bytes) -> Any:
        if take is not None and code == EXT_LINK:
            take(data)
        return _read_ext(known, code, data)

    value = _unpack(body, read)
    again = pack_plain(value, max_depth, links)
    if again is None:
        from runstore.model.general import GeneralEncoder

        try:
            again = GeneralEncoder(max_depth=max_depth, path="", links=links, known=known).encode(value).body
        except InvalidInput as error:
            raise Refused(f"not a body of this format: {error}", kind=error.kind) from error
    if again != body:
        raise Refused("not the one accepted form of its value (a longer form, a duplicate key or bytes left over)", kind="not-canonical")
    return value


def decode_value(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of an object of kind `value`: strict, and it links to blobs and values only. Raises Refused."""
    if len(body) <= _CAREFUL and len(body.translate(None, _UNUSUAL)) == len(body) <= max_depth + len(body.translate(None, _CONTAINERS)):
        try:
            value = _unpackb(body)
            if pack_found(value) == body:
                return value
        except (ValueError, TypeError, msgpack.exceptions.UnpackException, OverflowError):
            pass  # said below
    return decode(body, links=CONTENT, max_depth=max_depth)


# Heads of floats, binaries and extensions. What msgpack makes of a body without these bytes is of exact built-in types, its keys are texts,
# and packing it again shows whether it has the one accepted form.
_UNUSUAL = bytes((*range(0xC4, 0xCC), *range(0xD4, 0xD9)))
# Heads of arrays and maps: there are at least as many of them as levels.
_CONTAINERS = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))


def pack_found(value: Any) -> bytes:
    """Return the bytes of what the unpacker made: nothing is looked at."""
    try:
        pack = _plain.pop()
    except IndexError:
        pack = _new_pack(links=False)
    body = pack(value)
    _plain.append(pack)
    return body


def decode_trusted(body: bytes) -> Any:
    """Return the value of a body that came from our own store with its hash verified: it was checked strictly when it entered.

    Several times as fast as `decode`. Bytes that are no body at all raise Refused; what is merely not canonical passes.
    """
    if len(body) <= _CAREFUL:
        try:
            return _unpackb(body, ext_hook=_read_trusted_ext)
        except (ValueError, TypeError, msgpack.exceptions.UnpackException, OverflowError):
            pass  # said below
    return _unpack(body, _read_trusted_ext)


def raws_trusted(body: bytes) -> list[bytes]:
    """Return the links in a body of our own store as 33 bytes each, in their order. As `decode_trusted`, and nothing else is made of it."""
    raws: list[bytes] = []

    def take(code: int, data: bytes) -> None:
        if code == EXT_LINK:
            raws.append(data)

    _unpack(body, take)
    return raws


def _unpack(body: bytes, ext_hook: Callable[[int, bytes], Any]) -> Any:
    if len(body) > MAX_BODY:
        raise Refused(f"a body of {len(body):,} bytes; the most is 16 MiB", kind="limit-exceeded")
    try:
        if len(body) > _CAREFUL:
            _walk(body)
        return msgpack.unpackb(body, ext_hook=ext_hook, max_bin_len=0, max_ext_len=MAX_BODY, max_str_len=MAX_BODY)
    except Refused:
        raise
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, OverflowError) as error:
        raise Refused(f"not a body of this format: {str(error) or type(error).__name__}", kind="malformed") from error


def _read_trusted_ext(code: int, data: bytes) -> Any:
    if code == EXT_LINK and len(data) == LINK_BYTES and (kind := _KINDS[data[0]]):
        return _new(Link, (kind, data[1:]))  # as nearly always, and without a second call
    return _read_ext({}, code, data)


_KINDS = (None, *Kind, *[None] * 256)
_unpackb = msgpack.unpackb
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


def _read_ext(known: dict[int, bytes], code: int, data: bytes) -> Any:
    if code == EXT_LINK:
        if len(data) == LINK_BYTES and (kind := _KINDS[data[0]]):
            return _new(Link, (kind, data[1:]))
        try:
            return link_from_raw(data)
        except InvalidInput as error:
            raise Refused(str(error), kind="bad-link") from error
    if code == EXT_TEXT:
        return text_from_wtf8(data)
    if code == EXT_INT:
        number = int_from_digits(data)
        known[number] = data  # converting back would take quadratic time
        return number
    raise Refused(f"an extension of the unknown type {code}", kind="malformed")


def _walk(body: bytes) -> None:
    """Go over a body without building anything. A header can claim 2**32 items; after this walk all that is claimed is there."""
    walker = msgpack.Unpacker(max_buffer_size=MAX_BODY)
    walker.feed(body)
    walker.skip()
    if len(body) > MAX_NODES:
        count_nodes(body)


def count_nodes(body: bytes) -> int:
    """Return the number of values in a sound body, keys included. Raises Refused as soon as it is above the limit."""
    nodes, pending, at = 0, 1, 0
    while pending:
        nodes += 1
        if nodes > MAX_NODES:
            raise Refused(f"a body with more than {MAX_NODES:,} values in it", kind="limit-exceeded")
        step, items = _shape(body, at)
        at += step
        pending += items - 1
    return nodes


_FIXED = dict(zip(range(0xCA, 0xD9), (5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18), strict=True))  # floats, integers, fixext
_SIZED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
_COUNTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def _shape(body: bytes, at: int) -> tuple[int, int]:
    """Return how many bytes the value at `at` takes before its items, and how many items follow."""
    head = body[at]
    if head < 0x80 or head >= 0xE0 or 0xC0 <= head <= 0xC3:
        return 1, 0
    if head < 0x90:
        return 1, 2 * (head & 0x0F)
    if head < 0xA0:
        return 1, head & 0x0F
    if head < 0xC0:
        return 1 + (head & 0x1F), 0
    if head in _FIXED:
        return _FIXED[head], 0
    width, extra = _SIZED.get(head) or _COUNTED[head]
    number = int.from_bytes(body[at + 1 : at + 1 + width], "big")
    return (1 + width + extra + number, 0) if head in _SIZED else (1 + width, number * extra)
