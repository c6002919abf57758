"""Objects and tables to test a store with. The same on every call: nothing random, no clock."""

from __future__ import annotations

from hashlib import blake2b

from runstore.model.ids import Kind, Object, make_object
from runstore.store.protocol import Table

NAMES = Table("names")
COUNTS = Table("counts", derived=True)
PAIRS = Table("pairs", 6)
INDEX = Table("words", 4, derived=True)
TABLES = (NAMES, COUNTS, PAIRS, INDEX)


def noise(seed: int, size: int) -> bytes:
    """Return bytes that do not compress."""
    out = bytearray()
    block = 0
    while len(out) < size:
        out += blake2b(b"%d %d" % (seed, block)).digest()
        block += 1
    return bytes(out[:size])


def sample_object(n: int, size: int | None = None, kind: int | None = None) -> Object:
    """Return the n-th sample: all kinds in turn, mostly small, half of it noise."""
    size = (n * 37) % 700 if size is None else size
    body = (b"%d " % n + noise(n, size // 2) + b"the same words again and again " * (size // 60 + 1))[: max(size, 8)]
    return make_object(Kind(1 + n % 6) if kind is None else kind, body)


def sample_objects(count: int, start: int = 0) -> list[Object]:
    """Return so many different samples."""
    return [sample_object(n) for n in range(start, start + count)]
