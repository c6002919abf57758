"""Refs: a name, what it points at, and the number of its last stretch in the reflog.

Rows are keyed by the name in lower case, so that two names which differ in case alone cannot both exist. A row spells the name only
where it differs from the key.
"""

from __future__ import annotations

from collections.abc import Iterator

from runstore.errors import Conflict, Damaged, InvalidInput, NotFound
from runstore.model.ids import LINK_BYTES, Link, link_from_raw
from runstore.refs import reflog
from runstore.refs.names import PREFIXES, check_name
from runstore.store.protocol import Reader, Table, Writer
from runstore.tuples import NamedTuple

REFS = Table("refs")
TABLES = (REFS, reflog.REFLOG, reflog.STATE)
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
    found = _row(reader, name)
    return found if found is not None and found.name == name else None


def get(reader: Reader, name: str) -> Link | None:
    """Return what the ref with this full name points at, or None."""
    key = _key(name)
    value = reader.value(REFS.name, key)
    if value is None:
        return None
    if len(value) == _START and key == name.encode():
        return link_from_raw(value[:LINK_BYTES])
    found = _decode(key, value)
    return found.target if found.name == name else None


def twin(reader: Reader, name: str) -> str | None:
    """Return the name of the ref that differs from this full name in case alone, or None."""
    found = _row(reader, name)
    return found.name if found is not None and found.name != name else None


def each(reader: Reader, prefix: str = "") -> Iterator[Ref]:
    """Yield the refs whose full name starts with `prefix`, by name."""
    start = prefix.lower().encode()
    for key, value in reader.items(REFS.name, start=start):
        if not key.startswith(start):
            return
        found = _decode(key, value)
        if found.name.startswith(prefix):
            yield found


def moment(reader: Reader) -> bytes:
    """Return something that is another after every change of a ref."""
    return reader.value(reflog.STATE.name, b"time") or b""


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


class Operation:
    """The ref changes of one transaction: they share a time, an actor and an action, and are undone together."""

    def __init__(self, writer: Writer, *, now: int, actor: str, action: str, message: str = "") -> None:
        self._writer = writer
        self._time = reflog.next_time(writer, now)
        self._why = (actor, action, message)

    def move(self, name: str, old: Link | None, new: Link, *, extends: bool = False) -> None:
        """Point a ref at `new` if it stands at `old` (None: if there is none), and write that into the reflog.

        `extends` says that the first parent of `new` is `old`. Raises Conflict if the ref stands elsewhere, InvalidInput for a bad
        name or one that differs from another in case alone. The target's existence is the caller's to check.
        """
        found = _row(self._writer, name)
        if found is None:
            check_name(name)
        elif found.name != name:
            raise InvalidInput(f"{name!r} and the ref {found.name!r} differ in case alone", hint=f"use {found.name}", kind="bad-name")
        _expect(name, old, found)
        change = reflog.Change(self._time, name, old, new, *self._why)
        stretch = reflog.append(self._writer, found.stretch if found else None, change, extends=extends)
        self._writer.set_value(REFS.name, _key(name), _encode(name, new, stretch))

    def delete(self, name: str, old: Link) -> None:
        """Remove a ref if it stands at `old`, and write that into the reflog. Raises Conflict."""
        _expect(name, old, read(self._writer, name))
        reflog.append(self._writer, None, reflog.Change(self._time, name, old, None, *self._why), extends=False)
        self._writer.delete_value(REFS.name, _key(name))


def existing(reader: Reader, name: str) -> Ref:
    """Return the ref that a person names, short or full: heads before tags before remotes. Raises NotFound."""
    prefixes = ("",) if name.startswith(PREFIXES) else PREFIXES
    for prefix in prefixes:
        found = read(reader, prefix + name)
        if found is not None:
            return found
    raise NotFound(f"there is no ref {name}", hint="`runstore refs` lists them")


def undo(writer: Writer, first_parent: reflog.FirstParent, *, now: int, actor: str) -> list[reflog.Change]:
    """Take back the newest operation that is not taken back yet, as an operation of its own; return the changes made.

    Raises NotFound if there is nothing left to undo, Conflict if a ref has been moved since by something that cannot be undone.
    """
    target = _newest_not_undone(writer, first_parent)
    times = sorted({change.time for change in target})
    operation = Operation(writer, now=now, actor=actor, action="undo", message=",".join(map(str, times)))
    for change in target:
        if change.old is None and change.new is not None:
            operation.delete(change.ref, change.new)
        elif change.old is not None:
            operation.move(change.ref, change.new, change.old)
    return [change._replace(old=change.new, new=change.old) for change in target]


def set_last(writer: Writer, link: Link) -> None:
    """Remember the execution recorded last here, on any ref: the revision `@`."""
    writer.set_value(reflog.STATE.name, b"last", link.raw)


def last(reader: Reader) -> Link | None:
    """Return the execution recorded last here, or None."""
    raw = reader.value(reflog.STATE.name, b"last")
    return None if raw is None else link_from_raw(raw)


def _newest_not_undone(reader: Reader, first_parent: reflog.FirstParent) -> list[reflog.Change]:
    undone: set[int] = set()
    found: list[reflog.Change] = []
    for change in reflog.changes(reader, first_parent):
        if found and not _together(found[0], change):
            break
        if change.action == FOLLOW:
            continue
        if change.action == "undo":
            undone.update(map(int, change.message.split(",")))
        elif change.time not in undone:
            found.append(change)
    if not found:
        raise NotFound("there is nothing to undo", hint="`runstore reflog` lists what was done")
    return found


def _together(one: reflog.Change, other: reflog.Change) -> bool:
    # An import takes several transactions; its message is its own.
    return one.time == other.time or (one.action == other.action == IMPORT and one.message == other.message)


def _expect(name: str, old: Link | None, found: Ref | None) -> None:
    actual = None if found is None else found.target
    if actual != old:
        stands = "does not exist" if actual is None else f"stands at {actual}"
        wanted = "not to exist" if old is None else f"at {old}"
        raise Conflict(f"the ref {name} {stands}; it was expected {wanted}", hint="read it again and retry")


def _row(reader: Reader, name: str) -> Ref | None:
    key = _key(name)
    value = reader.value(REFS.name, key)
    return None if value is None else _decode(key, value)


def _encode(name: str, target: Link, stretch: int) -> bytes:
    key = _key(name)
    written = b"" if name.encode() == key else name.encode()
    return target.raw + stretch.to_bytes(_STRETCH_BYTES, "big") + written


def _decode(key: bytes, value: bytes) -> Ref:
    if len(value) < _START:
        raise Damaged("a row of the refs cannot be read", hint="`runstore fsck` tells the extent")
    name = (value[_START:] or key).decode("ascii", "replace")
    return Ref(name, link_from_raw(value[:LINK_BYTES]), int.from_bytes(value[LINK_BYTES:_START], "big"))


def _key(name: str) -> bytes:
    return name.lower().encode()
