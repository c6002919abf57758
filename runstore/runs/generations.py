"""Generations: how far an execution is from the beginning, so that walks over ancestors know when to stop.

The generation of an execution is 1 more than the largest among the executions that it links to (parents, causes) and that are here; 1 if
there are none. Along a link it always falls, so what is of a smaller generation cannot lead to what is of a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from runstore.model.ids import Kind, Link
from runstore.model.objects import links_of
from runstore.runs.tables import ABSENT_LANE, GENERATION_BYTES, GENERATIONS
from runstore.store.protocol import ADDRESS_BYTES, LANE_SHIFT, Reader, Writer

Near = tuple[bytes, ...]
_MOST = (1 << 8 * GENERATION_BYTES) - 1


def generation_at(reader: Reader, address: int) -> int | None:
    """Return the generation of the execution at an address, or None if the table does not say."""
    for row in reader.rows(GENERATIONS.name, address.to_bytes(ADDRESS_BYTES, "big")):
        return int.from_bytes(row[ADDRESS_BYTES:], "big")
    return None


def near(links: Iterable[Link]) -> Near:
    """Return the ids of the executions among an execution's links."""
    return tuple(link.id for link in links if link.kind == Kind.EXECUTION)


def generations(reader: Reader, new: Mapping[int, Near], locate: Callable[[bytes], int | None]) -> dict[int, int]:
    """Return by address the generations of new executions, given with the ids of the executions that each links to, in any order.

    `locate` gives the address of an object that is here, or None.
    Where an older execution has no row yet, its generation is among those returned too.
    """
    found: dict[int, int] = {}
    for start in new:
        todo = [start]
        while todo:
            address = todo[-1]
            if address in found:
                todo.pop()
                continue
            below = _below(reader, address, new, locate)
            missing = [one for one in below if one not in found and not _look_up(reader, one, new, found)]
            if missing:
                todo += missing
                continue
            generation = 1 + max((found[one] for one in below), default=0)
            found[address] = generation
            todo.pop()
    return found


def generation_row(address: int, generation: int) -> bytes:
    """Return the row for the execution at an address."""
    return address.to_bytes(ADDRESS_BYTES, "big") + min(generation, _MOST).to_bytes(GENERATION_BYTES, "big")


def rebuild_generations(writer: Writer) -> None:
    """Fill the table anew: needed where executions have come whose descendants were here before them."""
    writer.clear(GENERATIONS.name)
    new = {address: near(links_of(obj.kind, obj.body)) for address, obj in writer.objects() if obj.kind == Kind.EXECUTION}
    found = generations(writer, new, writer.address)
    writer.add_rows(GENERATIONS.name, [generation_row(address, generation) for address, generation in found.items()])


def _below(reader: Reader, address: int, new: Mapping[int, Near], locate: Callable[[bytes], int | None]) -> list[int]:
    ids = new.get(address)
    if ids is None:
        obj = reader.at(address)
        ids = near(links_of(obj.kind, obj.body))
    return [found for one in ids if (found := locate(one)) is not None and found >> LANE_SHIFT != ABSENT_LANE]


def _look_up(reader: Reader, address: int, new: Mapping[int, Near], found: dict[int, int]) -> bool:
    known = None if address in new else generation_at(reader, address)
    if known is not None:
        found[address] = known
    return known is not None
