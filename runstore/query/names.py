"""Names that are kept beside the objects: refs and their past, provider response ids, the execution recorded last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runstore import refs
from runstore.errors import Ambiguous, InvalidInput, NotFound
from runstore.model.ids import Link
from runstore.query.near import brief, near
from runstore.runs.lookup import executions_of_response, first_parent

if TYPE_CHECKING:
    from datetime import tzinfo

    from runstore.store.protocol import Reader


def recorded_last(reader: Reader) -> Link:
    """Return the execution that was recorded last in this store, on any ref. Raises NotFound if none was, or if it was dropped."""
    found = refs.last(reader)
    if found is None:
        raise NotFound("@ names the execution recorded last, and none was recorded here", hint="`runstore add` records one")
    if reader.address(found.id) is None and not _is_known(reader, found):
        raise NotFound(f"@ names the execution recorded last, {brief(found)}, and that was dropped", hint="`runstore refs` lists the refs")
    return found


def _is_known(reader: Reader, link: Link) -> bool:
    """True for an execution that is known to be elsewhere, or erased: what reads it says so."""
    from runstore.runs.absence import absence

    return absence(reader, link.id) is not None


def named_by_response(reader: Reader, text: str) -> Link | None:
    """Return the execution that has this provider response id, or None. Raises Ambiguous where several have it."""
    found = list(executions_of_response(reader, text))
    if len(found) > 1:
        from runstore.query.summary import first_line

        raise Ambiguous(
            f"{len(found)} executions have the response id {text[:80]}",
            candidates=[(str(obj.link), first_line(obj, reader.get)) for obj in found[:20]],
            hint="name one of them by its id",
        )
    return found[0].link if found else None


def named_by_ref(reader: Reader, text: str, *, now: int, default_prefix: str = "heads/", zone: tzinfo | None = None) -> refs.Ref | None:
    """Return the ref of this name, short or full, as it stands or as `@{n}` or `@{date}` says it stood; None if there is none.

    Raises NotFound if the ref is known and did not exist then, InvalidInput for a date that cannot be read.
    """
    name, at, when = text.rpartition("@{")
    if not at:
        return next((found for full in candidates(text, default_prefix) if (found := refs.read(reader, full)) is not None), None)
    for full in candidates(name, default_prefix) if name else []:
        changes = refs.changes_of(reader, full, first_parent(reader))
        newest = next(changes, None)
        if newest is not None:
            return _in_the_past(full, when.removesuffix("}"), _chain(newest, changes), now, zone)
        if refs.read(reader, full) is not None:
            raise NotFound(f"the reflog of {full} holds no change", hint="it was expired; name the ref without @{…}")
    return None


def candidates(text: str, default_prefix: str = "heads/") -> list[str]:
    """Return the full names that a ref name may stand for, in the order in which they are tried."""
    prefixes = [default_prefix, *(prefix for prefix in refs.PREFIXES if prefix != default_prefix)]
    return [*([text] if text.startswith(refs.PREFIXES) else []), *(prefix + text for prefix in prefixes)]


def near_names(reader: Reader, text: str) -> list[str]:
    """Return the refs that are spelt most like a text, as a person would write them."""
    names = [ref.name for ref in refs.each(reader)]
    return near(text, [name if text.startswith(refs.PREFIXES) else refs.short_name(name) for name in names])


def _in_the_past(name: str, when: str, changes: Iterator[refs.Change], now: int, zone: tzinfo | None) -> refs.Ref:
    if when.isdigit():
        return _by_number(name, when, changes)
    if when.startswith("-") and when[1:].isdigit():
        raise InvalidInput(f"{name}@{{{when}}}: changes are counted back from 0", hint=f"for example {name}@{{1}}", kind="bad-revision")
    return _by_time(name, when, changes, now, zone)


def _by_number(name: str, when: str, changes: Iterator[refs.Change]) -> refs.Ref:
    number = int(when[:20])
    last: refs.Change | None = None
    count = 0
    for count, last in enumerate(changes, 1):
        if count == number + 1:
            return _standing(name, last.new, f"{name}@{{{when}}}")
    if last is not None and count == number and last.old is not None:
        return refs.Ref(name, last.old, 0)  # what stood before the oldest change that is kept
    raise NotFound(
        f"the reflog of {name} holds {count} change{'' if count == 1 else 's'}, and {when[:20]} goes further back",
        hint=f"`runstore reflog {name}` lists them",
    )


def _by_time(name: str, when: str, changes: Iterator[refs.Change], now: int, zone: tzinfo | None) -> refs.Ref:
    from runstore.query.dates import parse_time, show_time

    time = parse_time(when, now=now, zone=zone)
    last: refs.Change | None = None
    for last in changes:
        if last.time <= time:
            return _standing(name, last.new, f"{name}@{{{when}}}")
    if last is not None and last.old is not None:
        return refs.Ref(name, last.old, 0)
    began = "" if last is None else f": its reflog begins {show_time(last.time, zone)}"
    raise NotFound(f"{name} did not exist at {show_time(time, zone)}{began}", hint=f"`runstore reflog {name}` lists its changes")


def _standing(name: str, target: Link | None, text: str) -> refs.Ref:
    if target is None:
        raise NotFound(f"{text}: the ref was deleted then", hint=f"`runstore reflog {name}` lists its changes")
    return refs.Ref(name, target, 0)


def _chain(first: refs.Change, rest: Iterator[refs.Change]) -> Iterator[refs.Change]:
    yield first
    yield from rest
