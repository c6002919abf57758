"""What the cache knows of the bucket: where its refs stood when the two were last brought together, and which store it is.

A ref of ours that stands elsewhere is to be pushed; a ref there that stands elsewhere has been moved by others. So an undo or a deletion
here is told from news there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runstore import refs
from runstore.model.ids import Link, link_from_raw
from runstore.store.protocol import Reader, Table, Writer

TRACKED = Table("bucket")
_REF = b"ref:"
_STORE, _ROOT, _PROBED = b"store", b"root", b"probed"
PREFIXES = ("heads/", "tags/")


class Change(NamedTuple):
    """A ref that shall go from `old` to `new`; None: there is none."""

    name: str
    old: Link | None
    new: Link | None


def tracked(reader: Reader) -> dict[str, Link]:
    """Return the refs of the bucket as they stood last."""
    found: dict[str, Link] = {}
    for key, value in reader.items(TRACKED.name, start=_REF, stop=b"ref;"):
        found[key[len(_REF) :].decode()] = link_from_raw(value)
    return found


def ours(reader: Reader) -> dict[str, Link]:
    """Return the refs here that belong into the bucket."""
    return {ref.name: ref.target for prefix in PREFIXES for ref in refs.each(reader, prefix)}


def unpushed(reader: Reader) -> list[Change]:
    """Return what is to be pushed: refs that were made, moved or deleted here."""
    before, now = tracked(reader), ours(reader)
    return [Change(name, before.get(name), now.get(name)) for name in sorted(before | now) if before.get(name) != now.get(name)]


def set_tracked(writer: Writer, stands: Mapping[str, Link | None] | Iterable[tuple[str, Link | None]]) -> None:
    """Note where refs of the bucket stand."""
    for name, link in dict(stands).items():
        if link is None:
            writer.delete_value(TRACKED.name, _REF + name.encode())
        else:
            writer.set_value(TRACKED.name, _REF + name.encode(), link.raw)


def store_id(reader: Reader) -> str:
    """Return the id of the store that this cache follows; empty if there was none yet."""
    return (reader.value(TRACKED.name, _STORE) or b"").decode()


def seen_root(reader: Reader) -> str:
    """Return the write id of the root that was taken in last; empty for none."""
    return (reader.value(TRACKED.name, _ROOT) or b"").decode()


def set_seen(writer: Writer, store: str, write: str) -> None:
    """Note which root was taken in."""
    writer.set_value(TRACKED.name, _STORE, store.encode())
    writer.set_value(TRACKED.name, _ROOT, write.encode())


def was_probed(reader: Reader) -> bool:
    """True if the remote was found to keep conditions on writes."""
    return reader.value(TRACKED.name, _PROBED) is not None


def set_probed(writer: Writer) -> None:
    """Note that the remote keeps conditions on writes."""
    writer.set_value(TRACKED.name, _PROBED, b"1")
