"""Changing refs: compare-and-swap, each change in the reflog, and undo.

Works inside a transaction of the store that the caller opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.errors import Conflict, InvalidInput, NotFound
from runstore.model.ids import Link
from runstore.refs import reflog, refs
from runstore.refs.names import check_name

if TYPE_CHECKING:
    from runstore.store.protocol import Reader, Writer


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
        found = refs.row_of(self._writer, name)
        if found is None:
            check_name(name)
        elif found.name != name:
            raise InvalidInput(f"{name!r} and the ref {found.name!r} differ in case alone", hint=f"use {found.name}", kind="bad-name")
        _expect(name, old, found)
        change = reflog.Change(self._time, name, old, new, *self._why)
        stretch = reflog.append(self._writer, found.stretch if found else None, change, extends=extends)
        self._writer.set_value(refs.REFS.name, refs.key_of(name), refs.encode(name, new, stretch))

    def delete(self, name: str, old: Link) -> None:
        """Remove a ref if it stands at `old`, and write that into the reflog. Raises Conflict."""
        _expect(name, old, refs.read(self._writer, name))
        reflog.append(self._writer, None, reflog.Change(self._time, name, old, None, *self._why), extends=False)
        self._writer.delete_value(refs.REFS.name, refs.key_of(name))


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


def _newest_not_undone(reader: Reader, first_parent: reflog.FirstParent) -> list[reflog.Change]:
    undone: set[int] = set()
    found: list[reflog.Change] = []
    between: set[str] = set()  # refs that others moved between the transactions of an import
    for change in reflog.changes(reader, first_parent):
        if change.action == refs.FOLLOW:
            continue
        if change.action == "undo":
            undone.update(map(int, change.message.split(",")))
        elif change.time in undone:
            continue
        elif found and not _together(found[0], change):
            if found[0].action != refs.IMPORT:
                break
            between.add(change.ref)
        elif change.ref in between:  # what stands on it is taken back first
            break
        else:
            found.append(change)
    if not found:
        raise NotFound("there is nothing to undo", hint="`runstore reflog` lists what was done")
    return found


def _together(one: reflog.Change, other: reflog.Change) -> bool:
    # An import takes several transactions; its message is its own.
    return one.time == other.time or (one.action == other.action == refs.IMPORT and one.message == other.message)


def _expect(name: str, old: Link | None, found: refs.Ref | None) -> None:
    actual = None if found is None else found.target
    if actual != old:
        stands = "does not exist" if actual is None else f"stands at {actual}"
        wanted = "not to exist" if old is None else f"at {old}"
        raise Conflict(f"the ref {name} {stands}; it was expected {wanted}", hint="read it again and retry")
