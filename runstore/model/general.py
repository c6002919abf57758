"""The general encoder: every value that Python can spell, with errors that name the place.

It writes each header itself and shares nothing with the fast path of `encoding`, so the two check one another in the tests.
It walks with a stack of its own, so depth costs no interpreter frames.
Source: docs/spec/identity.md, "Values".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from runstore.errors import InvalidInput, LimitExceeded
from runstore.model.heads import LINK_HEAD, Encoded, array_head, map_head, pack_int, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link, Object, make_object
from runstore.model.limits import MAX_BLOB, MAX_BODY, MAX_NODES
from runstore.model.scalars import join_surrogates

_LARGE = "give large data as bytes: they become a blob"

_pack_float = struct.Struct(">Bd").pack


class _Open:
    """An array or map that is being written: what is still to come, and the place it has reached."""

    __slots__ = ("label", "rest", "seen")

    def __init__(self, rest: Iterator[tuple[Any, Any]], *, keyed: bool) -> None:
        self.rest = rest
        self.label: Any = None
        self.seen: set[str] | None = set() if keyed else None


class GeneralEncoder:
    """Encodes one value. Use once."""

    def __init__(self, *, max_depth: int, path: str, links: frozenset[Kind], known: Mapping[int, bytes] | None = None) -> None:
        self._max_depth = max_depth
        self._path = path
        self._links = links
        self._known = known
        self._open: list[_Open] = []
        self._parts: list[bytes] = []
        self._blobs: dict[bytes, Object] = {}
        self._nodes = 0
        self._size = 0

    def encode(self, value: Any) -> Encoded:
        """Return the body and the blobs. Raises InvalidInput or LimitExceeded, naming the place."""
        stack = self._open
        self._value(value)
        while stack:
            top = stack[-1]
            for label, item in top.rest:
                top.label = label
                if top.seen is not None:
                    self._key(top.seen, label)
                self._value(item)
                if stack[-1] is not top:
                    break
            else:
                stack.pop()
        return Encoded(b"".join(self._parts), tuple(self._blobs.values()))

    def where(self) -> str:
        """The place that has been reached, as text: `history[3].content[0].x`."""
        steps = [f"[{top.label}]" if top.seen is None else _step(top.label) for top in self._open]
        return (self._path + "".join(steps)).lstrip(".") or "the value"

    def _emit(self, part: bytes) -> None:
        self._nodes += 1
        self._size += len(part)
        if self._nodes > MAX_NODES:
            raise LimitExceeded(f"{self._path or 'the value'} has more than {MAX_NODES:,} values in it", kind="limit-exceeded")
        if self._size > MAX_BODY:
            raise LimitExceeded(f"{self._path or 'the value'} takes more than 16 MiB", hint=_LARGE, kind="limit-exceeded")
        self._parts.append(part)

    def _value(self, value: Any) -> None:
        if value is None:
            self._emit(b"\xc0")
        elif value is True or value is False:
            self._emit(b"\xc3" if value else b"\xc2")
        elif isinstance(value, str):
            self._text(value)
        elif isinstance(value, int):
            self._int(value)
        elif isinstance(value, float):
            self._float(float.__float__(value))
        elif isinstance(value, dict):
            self._enter(map_head(len(value)), iter(value.items()), keyed=True)
        elif isinstance(value, Link):
            self._link(value)
        elif isinstance(value, list | tuple):
            self._enter(array_head(len(value)), enumerate(iter(value)), keyed=False)
        elif type(value) is bytes:
            self._blob(value)
        else:
            raise InvalidInput(
                f"{self.where()}: {type(value).__name__} cannot be stored",
                hint="a value is None, bool, int, float, str, list, tuple, dict, or bytes (which become a blob)",
                kind="unsupported-type",
            )

    def _enter(self, head: bytes, rest: Iterator[tuple[Any, Any]], *, keyed: bool) -> None:
        if len(self._open) >= self._max_depth:
            found = f"{self.where()}: nested deeper than {self._max_depth} arrays and maps"
            raise LimitExceeded(found, hint="give it as text, or as bytes", kind="limit-exceeded")
        self._emit(head)
        self._open.append(_Open(rest, keyed=keyed))

    def _key(self, seen: set[str], key: Any) -> None:
        if not isinstance(key, str):
            raise InvalidInput(f"{self.where()}: the key {key!r} is no string", hint="keys of maps are strings", kind="bad-key")
        text = join_surrogates(str.__str__(key))
        if text in seen:
            raise InvalidInput(f"{self.where()}: the key stands twice in one map", kind="duplicate-key")
        seen.add(text)
        self._emit(pack_text(text))

    def _text(self, value: str) -> None:
        if len(value) > MAX_BODY:
            raise LimitExceeded(f"{self.where()}: a string takes more than 16 MiB", hint=_LARGE, kind="limit-exceeded")
        self._emit(pack_text(str.__str__(value)))

    def _int(self, value: int) -> None:
        try:
            self._emit(pack_int(int.__int__(value), self._known))
        except LimitExceeded as error:
            raise LimitExceeded(f"{self.where()}: {error}", kind="limit-exceeded") from None

    def _float(self, value: float) -> None:
        if value - value != 0:
            raise InvalidInput(f"{self.where()}: {value} is not finite", hint="only finite numbers can be stored", kind="not-finite")
        self._emit(_pack_float(0xCB, value))

    def _link(self, link: Link) -> None:
        if link.kind not in self._links or len(link.id) != ID_BYTES:
            hint = f"only a {' or '.join(kind.label for kind in sorted(self._links))} can be linked to"
            raise InvalidInput(f"{self.where()}: a link to {link} cannot stand here", hint=hint, kind="bad-link")
        self._emit(LINK_HEAD + link.raw)

    def _blob(self, data: bytes) -> None:
        if len(data) > MAX_BLOB:
            raise LimitExceeded(f"{self.where()}: {len(data):,} bytes are more than the 4 GiB of a blob", kind="limit-exceeded")
        blob = make_object(Kind.BLOB, data)
        self._blobs[blob.id] = blob
        self._emit(LINK_HEAD + b"\x01" + blob.id)


def _step(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r:.60}]"
