"""Envelopes for compositions that nobody sent yet: the keys of a recorded body, less what is gone and with what came.

What is sent with such an envelope is decoded again before it is recorded, so that the run always says what was really asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runstore.capture.codecs import codec_named
from runstore.capture.codecs.places import Layout, Place
from runstore.capture.codecs.placing import mapped
from runstore.errors import InvalidInput
from runstore.model.trees import SlotState

_SLOTS = {
    Place.PROMPT: "prompt",
    Place.HISTORY: "history",
    Place.DOCUMENTS: "documents",
    Place.TOOLS: "tools",
    Place.FORMAT: "output_format",
}


def fitted(slots: Mapping[str, Any], wire: Mapping[str, Any]) -> dict[str, Any]:
    """Return an envelope with which these slots can be written, made of one with which a slightly different run was.

    Raises InvalidInput for an envelope of a body that was never read.
    """
    if wire.get("unread") or not isinstance(wire.get("keys"), list):
        raise InvalidInput("this body was never read, so no part of it can be changed", hint="rerun it as it is", kind="bad-wire")
    codec = codec_named(wire)
    layout: Layout = codec.layout  # type: ignore[attr-defined]  # every codec of a JSON body has one
    fit = _Fit(layout, slots, wire, leads=bool(getattr(codec, "leads", False)))
    kept = {name: part for name, part in wire.items() if name not in ("raw", "sent")}
    style = kept.get("style")
    if isinstance(style, dict):  # exceptions to a style are told by the positions of tokens, which have moved
        kept["style"] = {name: part for name, part in style.items() if name not in ("tokens", "gaps", "escapes")}
    return {**kept, "keys": fit.keys()}


class _Fit:
    """The keys of a body for some slots."""

    def __init__(self, layout: Layout, slots: Mapping[str, Any], wire: Mapping[str, Any], *, leads: bool) -> None:
        self._layout, self._slots, self._wire, self._leads = layout, slots, wire, leads
        self._extra, self._delivery = mapped(slots.get("extra")), mapped(wire.get("delivery"))
        self._parameters, self._model = mapped(slots.get("parameters")), mapped(slots.get("model"))
        self._format = slots.get("output_format")

    def keys(self) -> list[Any]:
        """Return the keys: those of the envelope that have something to carry, then those that are missing."""
        found: list[Any] = []
        for key in self._wire["keys"]:
            if isinstance(key, str):
                if self._holds(key, None):
                    found.append(key)
            else:
                container, inner = key
                kept = [name for name in inner if self._holds(name, container)]
                if kept or container in self._parameters:
                    found.append([container, kept])
        for key, container in self._missing(found):
            _add(found, key, container)
        return found

    def _holds(self, key: str, container: str | None) -> bool:
        for source in (self._extra, self._delivery):
            if key in (source if container is None else mapped(source.get(container))):
                return True
        place = self._places(container).get(key, Place.EXTRA)
        if place is Place.PARAMETER:
            return key in (self._parameters if container is None else mapped(self._parameters.get(container)))
        if place is Place.MODEL:
            return "name" in self._model
        if place is Place.VERSION:
            return key in self._model
        if place is Place.FORMAT and self._layout.sole_format is None:
            formats = mapped(self._format)
            return key in (formats if container is None else mapped(formats.get(container)))
        if place is Place.HISTORY:
            return self._present("history") or (self._leads and self._present("prompt"))
        slot = _SLOTS.get(place)
        return slot is not None and self._present(slot)

    def _missing(self, keys: list[Any]) -> Iterator[tuple[str, str | None]]:
        told = {key if isinstance(key, str) else (key[0], name) for key in keys for name in ([None] if isinstance(key, str) else key[1])}
        for source in (self._parameters, self._extra):
            for key, value in source.items():
                if key in self._layout.opened and isinstance(value, Mapping):
                    yield from ((name, key) for name in value if (key, name) not in told)
                elif key not in told:
                    yield key, None
        yield from self._missing_slots(told)

    def _missing_slots(self, told: set[Any]) -> Iterator[tuple[str, str | None]]:
        for place, slot in _SLOTS.items():
            if not self._present(slot) or (place is Place.PROMPT and self._leads):
                continue
            spots = [(key, None) for key, its in self._layout.fields.items() if its is place]
            spots += [(key, box) for box, inside in self._layout.opened.items() for key, its in inside.items() if its is place]  # type: ignore[misc]
            if place is Place.FORMAT and self._layout.sole_format is None:
                spots = [spot for spot in spots if self._holds(*spot)]
            if spots and not any((key if box is None else (box, key)) in told for key, box in spots):
                yield spots[0]

    def _places(self, container: str | None) -> Mapping[str, Place]:
        return self._layout.fields if container is None else self._layout.opened.get(container, {})

    def _present(self, slot: str) -> bool:
        return slot in self._slots and not isinstance(self._slots[slot], SlotState)


def _add(keys: list[Any], key: str, container: str | None) -> None:
    if container is None:
        keys.append(key)
        return
    for held in keys:
        if isinstance(held, list) and held[0] == container:
            held[1].append(key)
            return
    keys.append([container, [key]])
