"""The index of a pack in a bucket: what the pack holds, found by id, and how far each execution is from the beginning.

An index is a claim by whoever wrote it; it is bound to its pack by the hash in the trailer, and every object is hashed when it is read.
Source: docs/spec/bucket.md, "Packs and indexes".
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from struct import Struct, iter_unpack
from typing import NamedTuple

from runstore.errors import Refused
from runstore.model.digest import checksum
from runstore.model.ids import ID_BYTES, Kind
from runstore.sync.bucket.root import Pack, is_name, seal, sealed_size, unseal
from runstore.sync.packs import TRAILER_BYTES, Index, read_index

VERSION = 1
MAGIC = b"RSINDX" + bytes((VERSION, 0))
_GENERATION = Struct("<I")
_MOST_GENERATION = (1 << 32) - 1


class Made(NamedTuple):
    """The index of a new pack, and the hash that the pack's trailer holds."""

    data: bytes
    check: bytes


def make_index(name: str, pack: bytes, generations: Iterable[int], supersedes: Iterable[str] = ()) -> Made:
    """Return the index of a pack. `generations` are those of its executions, in their order."""
    trailer = pack[-TRAILER_BYTES:]
    offset = int.from_bytes(trailer[16:24], "little")
    numbers = b"".join(_GENERATION.pack(min(number, _MOST_GENERATION)) for number in generations)
    head = seal(MAGIC, {"generations": checksum(numbers).hex(), "offset": offset, "pack": name, "supersedes": sorted(supersedes)})
    return Made(head + pack[offset:] + numbers, trailer[24:56])


class PackIndex:
    """The index of one pack, ready to be asked."""

    def __init__(self, pack: Pack, index: Index, generations: bytes, supersedes: tuple[str, ...]) -> None:
        self.pack = pack
        self.index = index
        self.supersedes = supersedes
        ids = index.raw_ids
        beginnings = array("Q", (number for (number,) in iter_unpack(">Q24x", ids)))
        self._numbers = array("I", sorted(range(len(beginnings)), key=beginnings.__getitem__))
        self._beginnings = array("Q", (beginnings[number] for number in self._numbers))
        kinds = index.kinds
        self._executions = array("I", (number for number, kind in enumerate(kinds) if kind == Kind.EXECUTION))
        self._generations = generations

    def __len__(self) -> int:
        return len(self.index)

    def find(self, id: bytes) -> int | None:
        """Return the number of an object in the pack, or None."""
        beginning = int.from_bytes(id[:8], "big")
        at = bisect_left(self._beginnings, beginning)
        while at < len(self._beginnings) and self._beginnings[at] == beginning:
            number = self._numbers[at]
            if self.index.id(number) == id:
                return number
            at += 1
        return None

    def starting(self, prefix: str) -> list[bytes]:
        """Return the ids that start with hex digits."""
        low = int(prefix[:16].ljust(16, "0"), 16)
        found: list[bytes] = []
        for at in range(bisect_left(self._beginnings, low), len(self._beginnings)):
            own = self.index.id(self._numbers[at])
            if not own.hex().startswith(prefix[:16]):
                break
            if own.hex().startswith(prefix):
                found.append(own)
        return found

    def generation(self, number: int) -> int | None:
        """Return the generation of the execution at a number; None for an object of another kind."""
        at = bisect_left(self._executions, number)
        if at == len(self._executions) or self._executions[at] != number:
            return None
        return int(_GENERATION.unpack_from(self._generations, at * _GENERATION.size)[0])


def open_index(pack: Pack, data: bytes, listed: Iterable[str] = ()) -> PackIndex:
    """Read the index of a pack that the root lists. Raises Refused unless it is whole, is the pack's and supersedes none of `listed`."""
    what = f"the index of the pack {pack.name}"
    head = unseal(MAGIC, data, what, more=True)
    wanted = {"generations", "offset", "pack", "supersedes"}
    if not isinstance(head, dict) or head.keys() != wanted or head["pack"] != pack.name or type(head["offset"]) is not int:
        raise Refused(f"{what} is of another pack, or another form", kind="bad-bucket")
    supersedes = head["supersedes"]
    if not isinstance(supersedes, list) or not all(is_name(name) for name in supersedes):
        raise Refused(f"{what} supersedes what is no pack", kind="bad-bucket")
    for name in {pack.name, *listed}.intersection(supersedes):
        raise Refused(f"{what} says that it supersedes {name}, which the root lists", kind="bad-bucket")
    start, offset = sealed_size(data), head["offset"]
    end = start + pack.size - offset
    if not 0 < offset < pack.size or end > len(data):
        raise Refused(f"{what} is cut short", kind="bad-bucket")
    trailer = data[end - TRAILER_BYTES : end]
    if trailer[24:56] != pack.check:
        raise Refused(f"{what} is not the one that the root lists", kind="bad-bucket")
    index = read_index(data[start : end - TRAILER_BYTES], trailer, offset=offset)
    numbers = data[end:]
    executions = index.kinds.count(Kind.EXECUTION)
    if len(index) != pack.objects or len(numbers) != executions * _GENERATION.size or checksum(numbers).hex() != head["generations"]:
        raise Refused(f"{what} does not hold what it says", kind="bad-bucket")
    return PackIndex(pack, index, numbers, tuple(supersedes))


def most_index_bytes(pack: Pack) -> int:
    """Return how large an index of a pack can be: its own part of the pack, and a few bytes an object."""
    return pack.size + pack.objects * (ID_BYTES + _GENERATION.size) + (1 << 24)
