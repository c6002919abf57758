"""Refs: a name, what it points at, and the number of its last stretch in the reflog.

Rows are keyed by the name in lower case, so that two names which differ in case alone cannot both exist. A row spells the name only
where it differs from the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged, NotFound
from runstore.model.ids import LINK_BYTES, Link, link_from_raw
from runstore.refs.names import PREFIXES
from runstore.store.table import Table
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.store.protocol import Reader, Writer

REFS = Table("refs")
REFLOG = Table("reflog")
STATE = Table("state")
TABLES = (REFS, REFLOG, STATE)
_STRETCH_BYTES = 6
_START = LINK_BYTES + _STRETCH_BYTES  # of the name, where a row spells it
IMPORT = "import"
FOLLOW = "follow"
"""The action of what follows moves made elsewhere: undo passes over it, as it would take back what others did."""


class Ref(NamedTuple):
    """A ref as it stands: full name, target, and the number of its last stretch in the reflog."""

    name: str
    target: Link
    stretch: int


def read(reader: Reader, name: str) -> Ref | None:
    """Return the ref with this full name, or None. Case counts."""
    found = row_of(reader, name)
    return found if found is not None and found.name == name else None


def get(reader: Reader, name: str) -> Link | None:
    """Return what the ref with this full name points at, or None."""
    key = key_of(name)
    value = reader.value(REFS.name, key)
    if value is None:
        return None
    if len(value) == _START and key == name.encode():
        return link_from_raw(value[:LINK_BYTES])
    found = _decode(key, value)
    return found.target if found.name == name else None


def twin(reader: Reader, name: str) -> str | None:
    """Return the name of the ref that differs from this full name in case alone, or None."""
    found = row_of(reader, name)
    return found.name if found is not None and found.name != name else None


def each(reader: Reader, prefix: str = "") -> Iterator[Ref]:
    """Yield the refs whose full name starts with `prefix`, by name."""
    start = key_of(prefix)
    for key, value in reader.items(REFS.name, start=start):
        if not key.startswith(start):
            return
        found = _decode(key, value)
        if found.name.startswith(prefix):
            yield found


def moment(reader: Reader) -> bytes:
    """Return something that is another after every change of a ref."""
    return reader.value(STATE.name, b"time") or b""


def changed(reader: Reader, known: dict[bytes, bytes]) -> Iterator[tuple[Ref | None, Ref | None]]:
    """Yield refs as they stood in `known` and as they stand now, where that differs, and bring `known` up to date.

    `known` is what earlier calls left in it, at first empty. Costs a look at every ref, and a decoding of those that changed.
    """
    now = dict(reader.items(REFS.name))
    for key in known.keys() - now.keys():
        yield _decode(key, known.pop(key)), None
    for key, value in now.items():
        before = known.get(key)
        if before != value:
            yield None if before is None else _decode(key, before), _decode(key, value)
            known[key] = value


def existing(reader: Reader, name: str) -> Ref:
    """Return the ref that a person names, short or full: heads before tags before remotes. Raises NotFound."""
    prefixes = ("",) if name.startswith(PREFIXES) else PREFIXES
    for prefix in prefixes:
        found = read(reader, prefix + name)
        if found is not None:
            return found
    raise NotFound(f"there is no ref {name}", hint="`runstore refs` lists them")


def set_last(writer: Writer, link: Link) -> None:
    """Remember the execution recorded last here, on any ref: the revision `@`."""
    writer.set_value(STATE.name, b"last", link.raw)


def last(reader: Reader) -> Link | None:
    """Return the execution recorded last here, or None."""
    raw = reader.value(STATE.name, b"last")
    return None if raw is None else link_from_raw(raw)


def row_of(reader: Reader, name: str) -> Ref | None:
    """Return the ref with this full name in any case, or None."""
    key = key_of(name)
    value = reader.value(REFS.name, key)
    return None if value is None else _decode(key, value)


def encode(name: str, target: Link, stretch: int) -> bytes:
    """Return the row of a ref."""
    key = key_of(name)
    written = b"" if name.encode() == key else name.encode()
    return target.raw + stretch.to_bytes(_STRETCH_BYTES, "big") + written


def _decode(key: bytes, value: bytes) -> Ref:
    if len(value) < _START:
        raise Damaged("a row of the refs cannot be read", hint="`runstore fsck` tells the extent")
    name = (value[_START:] or key).decode("ascii", "replace")
    return Ref(name, link_from_raw(value[:LINK_BYTES]), int.from_bytes(value[LINK_BYTES:_START], "big"))


def key_of(name: str) -> bytes:
    """Return the key of a ref's row: names that differ in case alone share one. What cannot be a name has a key too, that of no row."""
    return name.lower().encode("utf-8", "surrogatepass")
