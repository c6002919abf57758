"""What is known of objects that are not here: promised by somebody who has them, or erased for a reason. All else that lacks is lost.

A row holds the link, the state and an address of its own in lane 15, under which referrers find the object as if it were here. When the
object comes, its rows move to where it lies, and this one goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from runstore.errors import Damaged, NotFound
from runstore.model.ids import ID_BYTES, Kind, Link, Object, link_from_raw
from runstore.runs.tables import ABSENT, ABSENT_LANE, REFERRERS, RUN_EXECUTIONS
from runstore.store.addresses import ADDRESS_BYTES, LANE_SHIFT
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.store.protocol import Reader, Writer

PROMISED, ERASED = "promised", "erased"
_STATES = (PROMISED, ERASED)
_NEXT = b"next"
_FIRST = (ABSENT_LANE << LANE_SHIFT) | 1


class Absence(NamedTuple):
    """An object that is not here: its link, `promised` or `erased`, the address that stands for it, and by whom or why."""

    link: Link
    state: str
    address: int
    reason: str


def absence(reader: Reader, id: bytes) -> Absence | None:
    """Return what is known of an object that is not here, or None: it is here, or lost, or never was."""
    value = reader.value(ABSENT.name, id)
    return None if value is None or len(id) != ID_BYTES else _decode(id, value)


def absences(reader: Reader) -> Iterator[Absence]:
    """Yield all objects that are known not to be here, by id."""
    for key, value in reader.items(ABSENT.name):
        if len(key) == ID_BYTES:
            yield _decode(key, value)


def any_absent(reader: Reader) -> bool:
    """True if there was ever an object that was known not to be here."""
    return reader.value(ABSENT.name, _NEXT) is not None


def mark_absent(writer: Writer, links: Iterable[Link], state: str, reason: str) -> int:
    """Note that objects are promised (`reason`: by whom) or erased (why); return how many are new. Those that are here are passed over."""
    number = writer.value(ABSENT.name, _NEXT)
    following = _FIRST if number is None else int.from_bytes(number, "big")
    first = following
    for link in links:
        known = absence(writer, link.id)
        if writer.address(link.id) is not None or (known is not None and (known.state == state or state == PROMISED)):
            continue
        address = following if known is None else known.address
        following += known is None
        head = bytes((link.kind, _STATES.index(state))) + address.to_bytes(ADDRESS_BYTES, "big")
        writer.set_value(ABSENT.name, link.id, head + reason.encode("utf-8", "replace")[:200])
    if following != first:
        writer.set_value(ABSENT.name, _NEXT, following.to_bytes(ADDRESS_BYTES, "big"))
    return following - first


def arrive(writer: Writer, address: int, obj: Object) -> bool:
    """Take note that an object has come to lie at an address: the rows that led to its stand-in lead to it. True if it was absent."""
    known = absence(writer, obj.id)
    if known is None:
        return False
    old, new = known.address.to_bytes(ADDRESS_BYTES, "big"), address.to_bytes(ADDRESS_BYTES, "big")
    for table in (REFERRERS, RUN_EXECUTIONS):
        rows = list(writer.rows(table.name, old))
        writer.remove_rows(table.name, rows)
        writer.add_rows(table.name, [new + row[ADDRESS_BYTES:] for row in rows])
    writer.delete_value(ABSENT.name, obj.id)
    return True


def fetcher(reader: Reader) -> Callable[[bytes], Object]:
    """Return a function that gives an object by id, and where it is not here says whether it is lost, promised or erased (NotFound)."""

    def fetch(id: bytes) -> Object:
        found = reader.find(id)
        if found is None:
            raise explain(reader, id)
        return found[1]

    return fetch


def explain(reader: Reader, id: bytes) -> NotFound:
    """Return the error for an object that is not here: lost, promised or erased."""
    known = absence(reader, id)
    if known is None:
        return NotFound(f"no object {id.hex()} is here")
    if known.state == ERASED:
        return NotFound(f"{known.link} was erased: {known.reason}", kind=ERASED)
    return NotFound(
        f"{known.link} was left out, and {known.reason} has it", hint="`runstore fetch --missing` brings what was left out", kind=PROMISED
    )


def _decode(key: bytes, value: bytes) -> Absence:
    head = 2 + ADDRESS_BYTES
    if len(value) < head or not 1 <= value[0] <= max(Kind) or value[1] >= len(_STATES):
        raise Damaged("a row of the absent objects cannot be read", hint="`runstore fsck` tells the extent")
    link = link_from_raw(value[:1] + key)
    return Absence(link, _STATES[value[1]], int.from_bytes(value[2:head], "big"), value[head:].decode("utf-8", "replace"))
