"""Trees: named slots, each present (a link), absent (known to be nothing) or unknown (nobody recorded it).

Bodies are composed and read as bytes: a tree is a row of `92 name entry`, sorted by name.
Source: docs/spec/identity.md, "Trees".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from runstore.errors import InvalidInput, LimitExceeded, Refused
from runstore.model.heads import LINK_HEAD, array_head, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link, Object, make_object
from runstore.model.limits import MAX_SLOTS


class SlotState(Enum):
    """What a slot without a link says."""

    ABSENT = "absent"
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return self.name


ABSENT = SlotState.ABSENT
"""It is known that nothing of the kind was given."""

UNKNOWN = SlotState.UNKNOWN
"""Nobody recorded it."""

Slot = Link | SlotState

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NAME_BYTES = 64
# The name ends where no character of a name stands, so an entry is found without the length before it.
_ENTRY = re.compile(
    rb"\x92(?:[\xa1-\xbf]|\xd9[\x20-\x40])([a-z][a-z0-9._-]{0,63})(?:(\xc0)|(\xc2)|\xc7\x21\x01([\x01-\x04])(.{32}))",
    re.DOTALL,
)
_LINK = re.compile(rb"\xc7\x21\x01([\x01-\x04].{32})", re.DOTALL)
_FEW_SLOTS = 64
_FORM_BYTES, _MOST_FORMS = 4096, 256
_forms: dict[tuple[bytes, ...], tuple[dict[str, Slot], tuple[str, ...]]] = {}
_MAX_BODY = 5 + MAX_SLOTS * (1 + 66 + 36)
_ABSENT, _UNKNOWN = b"\xc2", b"\xc0"
_LINKS = {kind: LINK_HEAD + bytes((kind,)) for kind in (Kind.BLOB, Kind.VALUE, Kind.LIST, Kind.TREE)}
_KINDS = {bytes((kind,)): kind for kind in _LINKS}
_KIND_BY_CODE = {int(kind): kind for kind in _LINKS}
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


def check_name(name: str) -> None:
    """Raise InvalidInput unless the name can be the name of a slot."""
    fits = isinstance(name, str) and 1 <= len(name) <= _NAME_BYTES and name[0] in _LETTERS
    if not fits or name.strip(_LETTERS + "0123456789._-"):
        raise InvalidInput(f"{name!r:.80} cannot name a slot", hint="a name is a-z, then up to 63 of a-z 0-9 . _ -", kind="bad-slot-name")


def encode_tree(slots: Mapping[str, Slot]) -> Object:
    """Return the tree of these slots, given in any order. Raises InvalidInput for a bad name or entry, LimitExceeded above 4096."""
    return make_object(Kind.TREE, tree_body({str.__str__(name) if isinstance(name, str) else name: slot for name, slot in slots.items()}))


def tree_body(slots: Mapping[str, Slot]) -> bytes:
    """Return the body of the tree of these slots, their names exactly of type str. Raises as `encode_tree` does."""
    if len(slots) > MAX_SLOTS:
        raise LimitExceeded(f"a tree of {len(slots):,} slots; the most is {MAX_SLOTS:,}", kind="limit-exceeded")
    entries = [array_head(len(slots))]
    names = tuple(slots)
    for name, head in _heads(names) if len(names) <= _FEW_SLOTS else _heads.__wrapped__(names):
        slot = slots[name]
        entries.append(head)
        if slot is UNKNOWN:
            entries.append(_UNKNOWN)
        elif slot is ABSENT:
            entries.append(_ABSENT)
        else:
            entries += _link(name, slot)
    return b"".join(entries)


@lru_cache(256)
def _heads(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Return the names sorted, each with what stands before its entry: the header of the pair and the name."""
    for name in names:
        check_name(name)
    return [(name, b"\x92" + pack_text(name)) for name in sorted(names)]


def _link(name: str, slot: Any) -> tuple[bytes, bytes]:
    if type(slot) is not Link or slot.kind not in _LINKS or len(slot.id) != ID_BYTES:
        hint = "an entry is a link to a blob, value, list or tree, ABSENT or UNKNOWN"
        raise InvalidInput(f"slot {name}: {slot!s:.80} is no entry of a tree", hint=hint, kind="bad-slot")
    return _LINKS[slot.kind], slot.id


def decode_tree(body: bytes) -> dict[str, Slot]:
    """Return the slots of a tree body, sorted by name, strictly. Raises Refused for anything else than a tree's one form."""
    return open_tree(body)[0]


def open_tree(body: bytes) -> tuple[dict[str, Slot], list[bytes]]:
    """Return the slots of a tree body as `decode_tree` does, and the links in it as 33 bytes each."""
    # Names are ASCII, so a tree is its links and, between them, its form: one form that was found right is right with any links.
    parts = _LINK.split(body) if len(body) <= _FORM_BYTES else []
    known = _forms.get(form := tuple(parts[::2]))
    if known is not None:
        slots, raws = known[0].copy(), parts[1::2]
        for name, raw in zip(known[1], raws, strict=True):
            slots[name] = _new(Link, (_KIND_BY_CODE[raw[0]], raw[1:]))
        return slots, raws
    if len(body) > _MAX_BODY:
        raise Refused(f"a tree of {len(body):,} bytes has more than {MAX_SLOTS:,} slots", kind="limit-exceeded")
    slots = decode_tree_trusted(body)
    if len(slots) > MAX_SLOTS or tree_body(slots) != body:
        raise Refused("not the one accepted form of a tree", kind="bad-tree")
    if parts:
        if len(_forms) >= _MOST_FORMS:
            _forms.clear()
        _forms[form] = slots.copy(), tuple(name for name, slot in slots.items() if type(slot) is Link)
    return slots, parts[1::2] if parts else _LINK.findall(body)


def links_in_tree(body: bytes) -> tuple[list[bytes], bool]:
    """Return the links in a tree body as 33 bytes each, and whether it states what answered: whether `runtime` is there and not unknown.

    The body is from our own store and its hash was verified, as in `decode_tree_trusted`.
    """
    raws: list[bytes] = []
    answered = False
    for name, unknown, _, kind, digest in _ENTRY.findall(body):
        if kind:
            raws.append(kind + digest)
        if name == b"runtime":
            answered = not unknown
    return raws, answered


def decode_tree_trusted(body: bytes) -> dict[str, Slot]:
    """Return the slots of a tree body from our own store whose hash was verified: it was checked strictly when it entered.

    Twice as fast as `decode_tree`. Of bytes that are no tree it returns the entries it finds.
    """
    slots: dict[str, Slot] = {}
    for name, unknown, _, kind, digest in _ENTRY.findall(body):
        slots[name.decode("ascii")] = _new(Link, (_KINDS[kind], digest)) if kind else UNKNOWN if unknown else ABSENT
    return slots
