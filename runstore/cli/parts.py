"""A part of a run in full, for people: texts as they are, messages under their role, settings by key, all else as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runstore.cli import safe
from runstore.cli.contents import value_of
from runstore.model.ids import Kind, Link
from runstore.query.content import readable
from runstore.query.paths import Fetch, Place
from runstore.query.revisions import Found
from runstore.runs.view import ListView


def lines(place: Place, fetch: Fetch) -> Iterator[str]:
    """Yield the lines of a part."""
    if isinstance(place.value, ListView):
        for number, value in enumerate(place.value):
            if number:
                yield ""
            yield from _text(value)
    elif place.link.kind in (Kind.TREE, Kind.EXECUTION, Kind.TAG) and not place.rest:
        yield from _text(value_of(place.link, fetch))
    else:
        yield from _text(place.value)


def as_json(revision: str, found: Found, place: Place, fetch: Fetch) -> dict[str, Any]:
    """Return a part as one JSON object."""
    value = place.value if place.rest else value_of(place.link, fetch)
    return {"kind": "part", "revision": revision, "object": str(place.link), "path": found.path, "value": value}


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, Link):
        yield str(value)
    else:
        yield from safe.text(readable(value)).split("\n")
