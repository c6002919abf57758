"""Joining: our heads take up what a remote's heads have. Run logs do not conflict: where both have gone on, a merge stands on both.

The merge is a function of the two ends alone (docs/spec/identity.md, section 8), so stores that join the same ends make the same execution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runstore import refs
from runstore.errors import InvalidInput
from runstore.model.executions import make_merge
from runstore.model.ids import Kind, Link, Object
from runstore.runs.index import Indexer
from runstore.store.protocol import Reader, Store, Writer
from runstore.sync.ancestry import is_ancestor
from runstore.sync.updates import is_first_parent

UP_TO_DATE, MADE, FORWARD, JOINED, BEHIND = "up to date", "new", "forward", "joined", "behind"


class Joined(NamedTuple):
    """What became of one of our heads: its full name, its target before and after, and a state.

    States: `up to date` (it had all that came), `new`, `forward` (it had nothing of its own), `joined` (by a merge); for a dry run also
    `behind`, where what did not come yet decides between the last two.
    """

    name: str
    old: Link | None
    new: Link
    state: str


def join(
    store: Store, theirs: Mapping[str, Link], *, now: Callable[[], int], actor: str, action: str, message: str = "", dry_run: bool = False
) -> list[Joined]:
    """Let each of our heads (full names) lead to what is given for it, in one transaction. Raises NotFound for what is not here."""
    if dry_run:
        with store.read() as reader:
            return [decided(reader, name, link)[0] for name, link in sorted(theirs.items())]
    moment = now()
    with store.write(now=moment) as writer:
        done = [_carried_out(writer, name, link) for name, link in sorted(theirs.items())]
        moved = [one for one in done if one.state != UP_TO_DATE]
        for one in moved:
            writer.get(one.new.id)
        if moved:
            operation = refs.Operation(writer, now=moment, actor=actor, action=action, message=message)
            for name, old, new, _ in moved:
                operation.move(name, old, new, extends=old is not None and is_first_parent(writer, old, new))
    return done


def _carried_out(writer: Writer, name: str, link: Link) -> Joined:
    joined, merge = decided(writer, name, link)
    if merge is not None:
        Indexer().add(writer, writer.put([merge]))
    return joined


def decided(reader: Reader, name: str, link: Link) -> tuple[Joined, Object | None]:
    """Return what becomes of one of our heads for a link, and the merge that it takes, if any, which is not stored yet."""
    old = refs.get(reader, name)
    if old is None:
        return Joined(name, None, link, MADE), None
    if old == link:
        return Joined(name, old, old, UP_TO_DATE), None
    if old.kind != Kind.EXECUTION or link.kind != Kind.EXECUTION:
        raise InvalidInput(f"{name} and what came for it are not both executions", kind="bad-target")
    if reader.address(link.id) is None:
        return Joined(name, old, link, BEHIND), None
    if is_ancestor(reader, link.id, [old.id]):
        return Joined(name, old, old, UP_TO_DATE), None
    if is_ancestor(reader, old.id, [link.id]):
        return Joined(name, old, link, FORWARD), None
    merge = make_merge([old, link])
    return Joined(name, old, merge.link, JOINED), merge
