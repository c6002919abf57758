"""What a request points at instead of holding it, as JSON pointers into its body. The rules are those of `runstore check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runstore.capture.codecs.contract import Unresolved
from runstore.capture.codecs.places import Layout, Place
from runstore.runs.references import Reference, references, says_nothing

_SLOTS = {
    Place.PROMPT: "prompt",
    Place.PARAMETER: "parameters",
    Place.DOCUMENTS: "documents",
    Place.TOOLS: "tools",
    Place.HISTORY: "history",
    Place.FORMAT: "output_format",
}


def unresolved(body: Mapping[str, Any], layout: Layout) -> tuple[Unresolved, ...]:
    """Return the references of a request body, in its order."""
    found: list[Unresolved] = []
    for key, value in body.items():
        inside = layout.opened.get(key)
        if inside is not None and isinstance(value, dict):
            for name, item in value.items():
                found += _field((key,), name, item, inside.get(name, Place.EXTRA))
        else:
            found += _field((), key, value, layout.fields.get(key, Place.EXTRA))
    return tuple(found)


def pointer(steps: tuple[str | int, ...]) -> str:
    """Write steps as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _field(above: tuple[str, ...], key: str, value: Any, place: Place) -> Iterator[Unresolved]:
    slot = _SLOTS.get(place)
    if slot is not None and isinstance(value, list):
        for index, item in enumerate(value):
            if not says_nothing(item, slot):
                yield from _told((*above, key, index), references(item, slot))
    elif slot is not None:
        yield from _told((*above, key), references(value, slot))
    elif place is Place.EXTRA:
        yield from _told(above, references({key: value}, "extra"))


def _told(above: tuple[str | int, ...], found: Iterator[Reference]) -> Iterator[Unresolved]:
    for reference in found:
        yield Unresolved(pointer((*above, *reference.steps)), reference.code, reference.says)
