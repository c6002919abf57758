"""Updates of refs that a peer asks for: checked (step 10 of docs/spec/protocol.md, "Receiving") and carried out, all or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from runstore import refs
from runstore.errors import Conflict, InvalidInput, Refused
from runstore.model.ids import Kind, Link
from runstore.store.protocol import Reader, Writer
from runstore.sync.ancestry import Ancestry, is_ancestor, parents_of
from runstore.sync.limits import Limits
from runstore.sync.rights import Rights

MOVED, ALREADY = "moved", "already"
_ABOVE = ("heads/", "tags/")


class Update(NamedTuple):
    """A ref that shall go from `old` (None: it is to be made) to `new`."""

    name: str
    old: Link | None
    new: Link


def read_updates(value: Any, limits: Limits) -> list[Update]:
    """Read the updates of a `commit` message. Raises Refused."""
    if not isinstance(value, list) or len(value) > limits.refs:
        raise Refused(f"updates are an array of at most {limits.refs:,}", kind="bad-message")
    found: list[Update] = []
    seen: set[str] = set()
    for item in value:
        if not isinstance(item, list) or len(item) != 3 or not isinstance(item[0], str):
            raise Refused("an update is a name, an old target and a new one", kind="bad-message")
        name, old, new = item
        if not (old is None or isinstance(old, Link)) or not isinstance(new, Link):
            raise Refused(f"the update of {name[:80]!r} has no targets", kind="bad-message")
        check_pushed_name(name)
        if name.lower() in seen:
            raise Refused(f"two updates of the ref {name}, or of names that differ in case alone", kind="bad-name")
        seen.add(name.lower())
        found.append(Update(name, old, new))
    return found


def check_pushed_name(name: str) -> str:
    """Return a full ref name that a peer may use. Raises Refused."""
    try:
        refs.check_name(name)
    except InvalidInput as error:
        raise Refused(str(error), hint=error.hint, kind="bad-name") from error
    if not name.startswith(_ABOVE):
        raise Refused(f"{name} is not under heads/ or tags/", kind="bad-name")
    return name


def check(reader: Reader, ancestry: Ancestry, updates: Iterable[Update], rights: Rights, *, force: bool) -> None:
    """Check rights, targets and the way from old to new. Raises Refused, or Conflict where a ref does not move forward."""
    for update in updates:
        name, _, new = update
        if not rights.append(name):
            raise forbidden(f"this peer may not write the ref {name}")
        twin = refs.twin(reader, name)
        if twin is not None:
            raise Refused(f"{name} and the ref {twin} differ in case alone", hint=f"use {twin}", kind="bad-name")
        if new.kind != Kind.EXECUTION and not (new.kind == Kind.TAG and name.startswith("tags/")):
            raise Refused(
                f"{name} cannot point at {new}", hint="refs point at executions, those under tags/ also at tags", kind="bad-target"
            )
        if force and not rights.force(name):
            raise forbidden(f"this peer may not force the ref {name}", "pull first, or ask whoever runs the server for the right")
        current = refs.get(reader, name)
        if force or current is None or current == new or current != update.old:
            continue  # what stands elsewhere is decided when the refs are moved
        if name.startswith("tags/"):
            raise Conflict(f"{name} exists and points at {current}", hint="tags stay where they are; --force moves one", kind="not-forward")
        if not ancestry.is_ancestor(current.id, [new.id]):
            raise not_forward(name)


def move(writer: Writer, updates: Sequence[Update], *, force: bool, now: int, actor: str, action: str, message: str = "") -> dict[str, str]:
    """Move the refs; return what became of each. One that is at its new target or beyond counts as done. Raises Conflict."""
    states: dict[str, str] = {}
    due: list[Update] = []
    for update in updates:
        current = refs.get(writer, update.name)
        if current == update.new or (current is not None and current != update.old and not force and _is_beyond(writer, current, update)):
            states[update.name] = ALREADY
            continue
        if current != update.old:
            raise Conflict(f"the ref {update.name} has moved meanwhile", hint="`runstore pull` brings what is new there", kind="conflict")
        states[update.name] = MOVED
        due.append(update)
    if due:
        operation = refs.Operation(writer, now=now, actor=actor, action=action, message=message)
        for name, old, new in due:
            operation.move(name, old, new, extends=old is not None and is_first_parent(writer, old, new))
    return states


def is_first_parent(reader: Reader, old: Link, new: Link) -> bool:
    """True if the first parent of `new` is `old`."""
    return new.kind == Kind.EXECUTION and parents_of(reader, new.id)[:1] == (old.id,)


def _is_beyond(reader: Reader, current: Link, update: Update) -> bool:
    return update.new.kind == Kind.EXECUTION and current.kind == Kind.EXECUTION and is_ancestor(reader, update.new.id, [current.id])


def forbidden(fact: str, hint: str = "ask whoever runs the server for the right") -> Refused:
    """Return the error for what a peer may not do."""
    return Refused(fact, hint=hint, kind="forbidden")


def not_forward(name: str) -> Conflict:
    """Return the error for a push that would lose what is on the other side."""
    return Conflict(
        f"{name} has executions on the other side that are not here",
        hint="`runstore pull` joins them; then push again (`push --join` does both)",
        kind="not-forward",
    )
