"""A reader of stores from docs/spec/store.md alone: `python -m tests.independent.stores DIR` prints what `runstore dump` prints, by id.

It reads the segments, computes every id anew, and checks that the index says of each object where it lies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
import zstandard

from tests.independent.identity import EXECUTION, NAMES, Bad, Link, check, link, want

WINDOW = 8 << 20
LARGE = 16_384


class Held(NamedTuple):
    """What a store holds: objects and their addresses by their links, in the order of the addresses."""

    objects: dict[Link, bytes]
    addresses: dict[Link, int]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A LEB128 number in its shortest form, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            want(number < 1 << 36 and (byte > 0 or shift == 7), "no varint")
            return number, at


def objects_of(frame: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    """The kinds and bodies of a frame."""
    parameters = zstandard.get_frame_parameters(frame)
    want(parameters.window_size <= WINDOW and parameters.dict_id == 0, "no frame of a store")
    content = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    want(len(content) == parameters.content_size, "a frame that does not state its size")
    lengths = [int.from_bytes(content[at : at + 4], "little") for at in range(count, 5 * count, 4)]
    ends = list(accumulate(lengths, initial=5 * count))
    want(ends[-1] == len(content), "columns that do not add up")
    for kind, (begin, end) in zip(content[:count], pairwise(ends), strict=True):
        yield kind, content[begin:end]


def in_force(directory: Path) -> Any:
    """The data file in force, open for reading: CURRENT names it, or one that says where the store moved."""
    name = (directory / "CURRENT").read_text().removesuffix("\n")
    while True:
        env = lmdb.open(str(directory / name), subdir=False, readonly=True, lock=False, max_dbs=64)
        meta = env.open_db(b"meta", create=False)
        with env.begin() as txn:
            want(txn.get(b"format", db=meta) == b"1", "another format")
            want(
                int(txn.get(b"generation", db=meta) or b"") == int(name.removeprefix("data-")) - 1, "another generation than the name says"
            )
            moved = txn.get(b"moved", db=meta)
        if moved is None:
            return env
        env.close()
        name = bytes(moved).decode()


def read(directory: Path) -> Held:
    """Everything in a store. Raises Bad for what the specification does not allow."""
    objects: dict[Link, bytes] = {}
    addresses: dict[Link, int] = {}
    with in_force(directory) as env:
        segments, rows = env.open_db(b"segments", create=False), env.open_db(b"rows", create=False, dupsort=True, dupfixed=True)
        with env.begin() as txn:
            before = 1
            for key, value in txn.cursor(segments):
                first, tier = int.from_bytes(key, "big"), value[0]
                _, at = varint(value, 1)
                count, at = varint(value, at)
                want(len(key) == 5 and tier <= 2 and 1 <= count <= 1 << 26, "no segment")
                want(first & (1 << 36) - 1 >= 1 and first == (before if before >> 36 == first >> 36 else first >> 36 << 36 | 1), "a gap")
                before = first + count
                for address, (kind, body) in enumerate(objects_of(value[at:], count), first):
                    lane = 2 if kind == EXECUTION else 1 if len(body) >= LARGE else 0 if kind <= 2 else 2
                    want(address >> 36 == lane, "an object in another lane")
                    check(kind, body)
                    objects[link(kind, body)] = body
                    addresses[link(kind, body)] = address
            cursor = txn.cursor(rows)
            index = [bytes(row) for row in cursor.iternext_dup()] if cursor.set_key(b"index") else []
    here = [row for row in index if row[8] >> 4 != 15]
    want(
        here == sorted(one.id[:8] + address.to_bytes(5, "big") for one, address in addresses.items()), "another index than the segments say"
    )
    return Held(objects, addresses)


def dump(held: Held) -> list[dict[str, str]]:
    """All objects as `runstore dump` writes them, by id."""
    found = [{"id": one.id.hex(), "kind": NAMES[one.kind], "body_hex": body.hex()} for one, body in held.objects.items()]
    return sorted(found, key=lambda each: each["id"])


if __name__ == "__main__":
    try:
        for line in dump(read(Path(sys.argv[1]))):
            print(json.dumps(line, separators=(",", ":")))
    except Bad as error:
        sys.exit(str(error))
