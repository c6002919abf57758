"""The reflog: every change of every ref, with its time and actor, until it is expired.

A log that grows by one execution at a time would spend most of its bytes on this table, so a row holds a *stretch*: consecutive
changes of one ref by one actor for one reason, each appending to the one before. A stretch keeps where it began and ended and the
time of each change; what stood between is found by following first parents. docs/design/0003-refs-and-reflog.md.

Times are microseconds since 1970 UTC. The changes of one transaction share theirs, and transactions have strictly increasing ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from runstore.errors import Damaged, Refused
from runstore.model.encoding import ANY_KIND, decode_trusted, encode
from runstore.model.heads import LINK_HEAD, array_head, pack_int, pack_text
from runstore.model.ids import LINK_BYTES, Link
from runstore.refs.refs import REFLOG, STATE
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.store.protocol import Reader, Writer

STRETCH_LIMIT = 64
_TIMES = 6  # where the times begin in a row
_LINK = len(LINK_HEAD) + LINK_BYTES

FirstParent = Callable[[Link], Link | None]


class Change(NamedTuple):
    """One change of one ref: `old` is None for a ref that was made, `new` for one that was deleted."""

    time: int
    ref: str
    old: Link | None
    new: Link | None
    actor: str
    action: str
    message: str


class Stretch(NamedTuple):
    """A row: the changes old → … → new, at `times`."""

    ref: str
    old: Link | None
    new: Link | None
    actor: str
    action: str
    message: str
    times: tuple[int, ...]


def append(writer: Writer, stretch: int | None, change: Change, *, extends: bool) -> int:
    """Write down a change, in the ref's last stretch if it continues that one; return the stretch's number.

    `extends` says that the new target's first parent is the old target.
    """
    if stretch is not None and extends and _continue(writer, stretch, change):
        return stretch
    number = _next_number(writer)
    _write(writer, number, Stretch(change.ref, change.old, change.new, change.actor, change.action, change.message, (change.time,)))
    return number


def _continue(writer: Writer, stretch: int, change: Change) -> bool:
    """Add a change to a stretch that it continues; False if it does not."""
    key = _key(stretch)
    value = writer.value(REFLOG.name, key)
    if value is None or change.old is None or change.new is None:
        return False
    row = _row(value)
    same = row[0] == change.ref and row[2] == change.old and row[3:_TIMES] == [change.actor, change.action, change.message]
    if not same or len(row) - _TIMES >= STRETCH_LIMIT:
        return False
    # Only the end and the last gap are new: what stands between is kept as it is.
    count = len(row)
    end = len(array_head(count)) + len(pack_text(row[0])) + (1 if row[1] is None else _LINK)
    kept = value[len(array_head(count)) : end], value[end + _LINK :]
    gap = change.time - sum(row[_TIMES:])
    writer.set_value(REFLOG.name, key, b"".join((array_head(count + 1), kept[0], LINK_HEAD, change.new.raw, kept[1], pack_int(gap))))
    return True


def next_time(writer: Writer, now: int) -> int:
    """Return the time for an operation that begins now: `now`, or just after the last one if the clock stood or went back."""
    stored = writer.value(STATE.name, b"time")
    time = now if stored is None else max(now, int.from_bytes(stored, "big", signed=True) + 1)
    writer.set_value(STATE.name, b"time", time.to_bytes(8, "big", signed=True))
    return time


def changes(reader: Reader, first_parent: FirstParent) -> Iterator[Change]:
    """Yield every change, newest first. `first_parent` gives what an execution stands on."""
    found = [change for _, stretch in _stretches(reader) for change in _expand(stretch, first_parent)]
    return iter(sorted(found, key=lambda change: -change.time))


def changes_of(reader: Reader, ref: str, first_parent: FirstParent) -> Iterator[Change]:
    """Yield the changes of one ref (its full name), newest first."""
    for _, stretch in _stretches(reader):
        if stretch.ref == ref:
            yield from _expand(stretch, first_parent)


def links(reader: Reader) -> Iterator[Link]:
    """Yield the ends of every stretch: what the reflog keeps alive (what lies between is reached from them)."""
    for _, stretch in _stretches(reader):
        yield from (link for link in (stretch.old, stretch.new) if link is not None)


def expire(writer: Writer, before: int, first_parent: FirstParent) -> int:
    """Forget the changes made before a time; return how many."""
    gone = 0
    for number, stretch in list(_stretches(writer)):
        kept = [change for change in _expand(stretch, first_parent) if change.time >= before]
        if len(kept) == len(stretch.times):
            continue
        gone += len(stretch.times) - len(kept)
        if kept:
            _write(writer, number, stretch._replace(old=kept[-1].old, times=stretch.times[-len(kept) :]))
        else:
            writer.delete_value(REFLOG.name, _key(number))
    return gone


def _expand(stretch: Stretch, first_parent: FirstParent) -> Iterator[Change]:
    new = stretch.new
    for position in range(len(stretch.times) - 1, -1, -1):
        old = stretch.old if position == 0 or new is None else first_parent(new)
        yield Change(stretch.times[position], stretch.ref, old, new, stretch.actor, stretch.action, stretch.message)
        new = old


def _stretches(reader: Reader) -> Iterator[tuple[int, Stretch]]:
    for key, value in reader.items(REFLOG.name, reverse=True):
        yield int.from_bytes(key, "big"), _decode(value)


def _write(writer: Writer, number: int, stretch: Stretch) -> None:
    first = stretch.times[0]
    gaps = [later - earlier for earlier, later in zip(stretch.times, stretch.times[1:], strict=False)]
    row = [stretch.ref, stretch.old, stretch.new, stretch.actor, stretch.action, stretch.message, first, *gaps]
    writer.set_value(REFLOG.name, _key(number), encode(row, links=ANY_KIND).body)


def _decode(value: bytes) -> Stretch:
    ref, old, new, actor, action, message, *gaps = _row(value)
    return Stretch(ref, old, new, actor, action, message, tuple(accumulate(gaps)))


def _row(value: bytes) -> list[Any]:
    """Return ref, old, new, actor, action, message, the first time, and the gaps to the following ones."""
    try:
        row = decode_trusted(value)
    except Refused:
        row = None
    if not isinstance(row, list) or len(row) <= _TIMES:
        raise Damaged("a row of the reflog cannot be read", hint="`runstore fsck` tells the extent")
    return row


def _next_number(reader: Reader) -> int:
    for key, _ in reader.items(REFLOG.name, reverse=True):
        return int.from_bytes(key, "big") + 1
    return 1


def _key(number: int) -> bytes:
    return number.to_bytes(6, "big")
