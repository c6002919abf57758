"""What objects hold, in the form that `--json`, `cat` and `ls` print it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runstore.cli import times
from runstore.errors import LimitExceeded
from runstore.model.elements import count, elements
from runstore.model.encoding import decode
from runstore.model.executions import decode_execution
from runstore.model.ids import Kind, Link
from runstore.model.slots import in_reading_order
from runstore.model.trees import ABSENT, SlotState, decode_tree

if TYPE_CHECKING:
    from runstore.query.paths import Fetch

# A list is expanded where it stands up to this many elements: six nodes can spell 2^32 (docs/spec/identity.md, "Limits").
MOST_ELEMENTS = 1_000_000


def value_of(link: Link, fetch: Fetch) -> Any:
    """Return what an object holds as a value that can be rendered as JSON. Bytes stay links: `cat` prints them.

    Raises LimitExceeded for a list of more than a million elements.
    """
    if link.kind == Kind.BLOB:
        return link
    if link.kind == Kind.LIST:
        number = count(link, fetch)
        if number > MOST_ELEMENTS:
            raise LimitExceeded(
                f"{link} has {number:,} elements, and at most {MOST_ELEMENTS:,} are printed at once",
                hint="name a part of it, as in REV:history/0",
            )
        return [value_of(element, fetch) for element in elements(link, fetch)]
    body = fetch(link.id).body
    if link.kind == Kind.TREE:
        return {name: state_of(slot) for name, slot in in_order(decode_tree(body))}
    if link.kind == Kind.EXECUTION:
        from runstore.cli import described  # `show` for people needs neither this nor tags

        return described.execution(link, decode_execution(body))
    if link.kind == Kind.TAG:
        return tag_of(link, fetch)
    return decode(body)


def tag_of(link: Link, fetch: Fetch) -> dict[str, Any]:
    """Return a tag as JSON."""
    from runstore.model.tags import decode_tag

    tag = decode_tag(fetch(link.id).body)
    return {
        "tag": link.hex,
        "target": str(tag.target),
        "name": tag.name,
        "actor": tag.actor,
        "message": tag.message,
        "time": tag.time,
        "time_utc": None if tag.time is None else times.utc(tag.time),
    }


def state_of(slot: Link | SlotState) -> str | bool | None:
    """Return a slot as `add` writes it: null for unknown, false for absent; else its link."""
    if isinstance(slot, SlotState):
        return False if slot is ABSENT else None
    return str(slot)


def in_order(slots: dict[str, Link | SlotState]) -> Iterator[tuple[str, Link | SlotState]]:
    """Yield the slots in the order in which people read them: the named ones first, then others by name."""
    for name in in_reading_order(slots):
        yield name, slots[name]
