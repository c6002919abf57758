"""Cassettes as recordings: the model calls of each become the recording of the test that it is named after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from runstore.capture.assemble import Redact, assemble
from runstore.capture.importers.entries import Call, Entry
from runstore.capture.importers.intake import Skipped, Source
from runstore.capture.importers.vcr import read
from runstore.errors import InvalidInput, Refused
from runstore.reproduce.recordings.files import Recordings, change
from runstore.reproduce.recordings.kept import Kept, is_served, keep, numbered
from runstore.reproduce.recordings.names import ref_of


class Taken(NamedTuple):
    """What was written: calls and the refs that they are on. `left_out`: no model calls; `unserved`: no complete answers."""

    executions: int
    refs: int
    left_out: int
    unserved: int
    skipped: tuple[Skipped, ...]


def take(
    path: str, sources: Iterable[Source], *, ref: str | None = None, redact: Redact | None = None, progress: Callable[[int], None]
) -> Taken:
    """Write the calls of cassettes into a file of recordings, in the place of those on the same refs; with `ref`, all on that one.

    Raises what `change` raises. A call that cannot be read is named and skipped.
    """
    calls: dict[str, list[Kept]] = {}
    skipped: list[Skipped] = []
    left_out = unserved = 0
    for name, opened in sources:
        with opened as stream:
            entries = _entries(name, read(name, stream), skipped)
        for place, entry in entries:
            progress(1)
            try:
                made = assemble(entry.exchange, redact=redact)
            except (InvalidInput, Refused) as error:
                skipped.append(Skipped(name, place, str(error)))
                continue
            if made is None:
                left_out += 1
            elif is_served(made):
                calls.setdefault(ref or ref_of(named_after(entry.session[-1])), []).append(keep(made))
            else:
                unserved += 1

    def make(old: Recordings) -> Mapping[str, Sequence[Kept]]:
        return {name: numbered(found, "cassette", name) for name, found in calls.items()}

    if calls:
        change(path, make)
    return Taken(sum(map(len, calls.values())), len(calls), left_out, unserved, tuple(skipped))


def named_after(cassette: str) -> str:
    """Return the test that a cassette is named after: `TestTrip.test_a[x.y]` is of `TestTrip::test_a[x.y]`."""
    name, bracket, parameters = cassette.partition("[")
    return name.strip(".").replace(".", "::") + bracket + parameters


def _entries(name: str, found: Iterable[Entry], skipped: list[Skipped]) -> list[tuple[str, Call]]:
    """Return the calls of a cassette; what cannot be read is noted."""
    calls = []
    try:
        for entry in found:
            if isinstance(entry, Call):
                calls.append((entry.place, entry))
            else:
                skipped.append(Skipped(name, entry.place, getattr(entry, "reason", "")))
    except InvalidInput as error:
        skipped.append(Skipped(name, "", str(error)))
    return calls
