"""Marks of time and leases: what a collector needs to leave alone what is new.

A time mark says "at this time the next address of each lane was X"; one is made at most once an hour. A lease says "a writer is at work
since then". Both give addresses, by lane, from which on everything is kept whatever leads to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runstore.store.addresses import ADDRESS_BYTES, FIRST, LANES, PAST, address_bytes

MARK, LEASE, UNTIMED = b"mark:", b"lease:", b"untimed"
HOUR = 3_600_000_000
MOST_MARKS = 4096
_TIME_BYTES = 8


class Lease(NamedTuple):
    """A writer at work: the process, where it runs, when its lease ends at the latest, and the next addresses when it began."""

    process: int
    started: str
    place: str
    expiry: int
    addresses: Mapping[int, int]


def pack_addresses(addresses: Mapping[int, int]) -> bytes:
    """Return addresses by lane as bytes."""
    return b"".join(address_bytes(addresses.get(lane, FIRST[lane])) for lane in LANES)


def unpack_addresses(data: bytes) -> dict[int, int]:
    """Read addresses by lane."""
    step = ADDRESS_BYTES
    return {lane: int.from_bytes(data[lane * step : lane * step + step], "big") for lane in LANES}


def put_mark(txn: Any, meta: Any, time: int, addresses: Mapping[int, int]) -> None:
    """Add a time mark; the oldest go when there are too many."""
    txn.put(MARK + time.to_bytes(_TIME_BYTES, "big"), pack_addresses(addresses), db=meta)
    if txn.stat(meta)["entries"] > MOST_MARKS:
        cursor = txn.cursor(meta)
        if cursor.set_range(MARK) and cursor.key().startswith(MARK):
            cursor.delete()


def mark_time(txn: Any, meta: Any, now: int, addresses: Mapping[int, int]) -> None:
    """Note the next addresses at a time. What was added without a time since the last mark counts as added just before."""
    untimed = txn.get(UNTIMED, db=meta)
    if untimed is not None:
        put_mark(txn, meta, max(now - 1, 0), unpack_addresses(untimed))
        txn.delete(UNTIMED, db=meta)
    put_mark(txn, meta, now, addresses)


def note_untimed(txn: Any, meta: Any, addresses: Mapping[int, int]) -> None:
    """Note that objects are added from these addresses on at a time that nobody told."""
    if txn.get(UNTIMED, db=meta) is None:
        txn.put(UNTIMED, pack_addresses(addresses), db=meta)


def last_mark(txn: Any, meta: Any) -> int:
    """Return the time of the newest mark, or -1."""
    found = _before(txn, meta, (1 << 63) - 1)
    return -1 if found is None else found[0]


def marks(txn: Any, meta: Any) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield all time marks, oldest first."""
    return _after(txn, meta, -1)


def _after(txn: Any, meta: Any, time: int) -> Iterator[tuple[int, dict[int, int]]]:
    cursor = txn.cursor(meta)
    there = cursor.set_range(MARK + min(max(time + 1, 0), (1 << 63) - 1).to_bytes(_TIME_BYTES, "big"))
    while there and cursor.key().startswith(MARK):
        yield int.from_bytes(cursor.key()[len(MARK) :], "big"), unpack_addresses(cursor.value())
        there = cursor.next()


def addresses_at(txn: Any, meta: Any, time: int) -> dict[int, int]:
    """Return, by lane, an address such that whatever lies below it was added before a time.

    A write that comes an hour or more after a mark makes the next one. So what lies between two marks was added within an hour of the
    first, and what lies behind the last mark within an hour of that, but for what came without a time.
    """
    if _before(txn, meta, time - HOUR) is None:
        found = _before(txn, meta, time)
        return dict(enumerate(FIRST)) if found is None else found[1]
    later = [addresses for _, addresses in _after(txn, meta, time - HOUR)]
    if later:
        return later[0]
    untimed = txn.get(UNTIMED, db=meta)
    return dict(zip(LANES, PAST, strict=True)) if untimed is None else unpack_addresses(untimed)


def _before(txn: Any, meta: Any, time: int) -> tuple[int, dict[int, int]] | None:
    cursor = txn.cursor(meta)
    time = min(max(time, 0), (1 << 63) - 1)
    there = cursor.prev() if cursor.set_range(MARK + (time + 1).to_bytes(_TIME_BYTES, "big")) else cursor.last()
    if there and cursor.key().startswith(MARK):
        return int.from_bytes(cursor.key()[len(MARK) :], "big"), unpack_addresses(cursor.value())
    return None


def protected_since(txn: Any, meta: Any, time: int, now: int) -> dict[int, int]:
    """Return, by lane, the least of the addresses at a time and those of the leases that live and end after now."""
    least = addresses_at(txn, meta, time)
    for _, lease in leases(txn, meta):
        if lease.expiry > now and is_live(lease):
            least = {lane: min(address, lease.addresses[lane]) for lane, address in least.items()}
    return least


def leases(txn: Any, meta: Any) -> list[tuple[bytes, Lease]]:
    """Return the leases with their keys, dead ones too."""
    found = []
    cursor = txn.cursor(meta)
    there = cursor.set_range(LEASE)
    while there and cursor.key().startswith(LEASE):
        found.append((cursor.key(), _unpack_lease(cursor.value())))
        there = cursor.next()
    return found


def pack_lease(lease: Lease) -> bytes:
    """Return a lease as bytes."""
    head = f"{lease.process}\n{lease.started}\n{lease.place}\n{lease.expiry}\n"
    return pack_addresses(lease.addresses) + head.encode("utf-8", "replace")


def _unpack_lease(data: bytes) -> Lease:
    size = ADDRESS_BYTES * len(LANES)
    process, started, place, expiry = [*data[size:].decode("utf-8", "replace").split("\n"), "", "", "", ""][:4]
    return Lease(int(process or 0), started, place, int(expiry or 0), unpack_addresses(data))


def own_lease(expiry: int, addresses: Mapping[int, int]) -> Lease:
    """Return a lease of this process."""
    return Lease(os.getpid(), _started(os.getpid()), here(), expiry, addresses)


def is_live(lease: Lease) -> bool:
    """False if the lease is of a process that ran here and is gone. Elsewhere only its expiry tells."""
    if lease.place != here():
        return True
    try:
        os.kill(lease.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not lease.started or _started(lease.process) == lease.started


def here() -> str:
    """Return what names this boot of this machine and this space of process numbers."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{os.uname().nodename} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename


def _started(process: int) -> str:
    # The process number alone may have been given to another since.
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError):
        return ""
