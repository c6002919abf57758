"""Placing: the fields of one body on their way to slots, and the slots of one run on their way back to fields.

Source: docs/spec/wire/README.md, "Places" and "The envelope".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from runstore.capture.codecs.media import lift
from runstore.capture.codecs.places import Layout, Place
from runstore.errors import InvalidInput
from runstore.model.settings import normalise
from runstore.model.trees import ABSENT, SlotState

_LISTS = {Place.HISTORY: "history", Place.DOCUMENTS: "documents", Place.TOOLS: "tools"}
_MEDIA_SLOTS = ("prompt", "history", "documents", "extra")


class Teller(Protocol):
    """What a codec knows of how its API tells a conversation."""

    @property
    def layout(self) -> Layout:
        """The places of the fields."""
        ...

    @property
    def leads(self) -> bool:
        """True if the leading system and developer messages of the history are the prompt."""
        ...

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Return the fields that hold a conversation."""
        ...


class Placing:
    """The fields of one body on their way to slots."""

    def __init__(self, model: dict[str, Any]) -> None:
        self.model = model
        self.keys: list[Any] = []
        self.parameters: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.delivery: dict[str, Any] = {}
        self.sent: dict[str, Any] = {}
        self.format: dict[str, Any] = {}
        self.held: dict[str, Any] = {}
        self.slots: dict[str, Any] = {
            "model": model,
            "prompt": ABSENT,
            "parameters": ABSENT,
            "documents": ABSENT,
            "tools": ABSENT,
            "history": ABSENT,
        }

    def open(self, container: str, inside: Mapping[str, Place]) -> None:
        """Say that an empty map was sent: that is not the same as nothing."""
        if Place.PARAMETER in inside.values():
            self.parameters[container] = {}

    def put(self, place: Place, key: str, value: Any, container: str | None) -> None:
        """Put one field where it belongs, or in `extra` where it is not of the kind that belongs there."""
        if place is Place.PARAMETER:
            _into(self.parameters, container)[key] = value
            if not _is_normal(value):
                _into(self.sent, container)[key] = value
        elif place is Place.DELIVERY:
            _into(self.delivery, container)[key] = value
        elif place is Place.HISTORY:
            self.held[key] = value
        elif not self._took(place, key, value, container):
            _into(self.extra, container)[key] = value

    def _took(self, place: Place, key: str, value: Any, container: str | None) -> bool:
        if place is Place.EXTRA or value is None or value is False:  # null and false say something else in a slot
            return False
        if place is Place.MODEL:
            if type(value) is not str or "name" in self.model:
                return False
            self.model["name"] = value
        elif place is Place.VERSION:
            if key in self.model or not _is_version(value):
                return False
            self.model[key] = value
        elif place is Place.PROMPT:
            if self.slots["prompt"] is not ABSENT:
                return False
            self.slots["prompt"] = value
        elif place is Place.FORMAT:
            _into(self.format, container)[key] = value
        else:
            slot = _LISTS[place]
            if type(value) is not list or self.slots[slot] is not ABSENT:
                return False
            self.slots[slot] = value
        return True


class Taking:
    """The slots of one run on their way back to fields."""

    def __init__(self, teller: Teller, slots: Mapping[str, Any], wire: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        self.teller, self.slots, self.extra = teller, slots, extra
        self.parameters = settings_of(slots, "parameters")
        self.delivery, self.sent = mapped(wire.get("delivery")), mapped(wire.get("sent"))
        sole, found = teller.layout.sole_format, slots.get("output_format", ABSENT)
        self.format = mapped(found) if sole is None else {} if isinstance(found, SlotState) else {sole: found}
        self.model = settings_of(slots, "model")
        self.holding: list[str] = []
        self.lists: list[tuple[str, str, str | None]] = []

    def take(self, place: Place, key: str, container: str | None) -> Any:
        """Return the value of one field; fields that come from lists are filled by `tell`."""
        for source in (self.extra, self.delivery):
            held = source if container is None else mapped(source.get(container))
            if key in held:
                return held[key]
        if place is Place.PARAMETER:
            return self._parameter(key, container)
        if place is Place.HISTORY:
            self.holding.append(key)
            return None
        if place is Place.MODEL:
            return self._known(self.model, "name", key)
        if place is Place.VERSION:
            return self._known(self.model, key, key)
        if place is Place.FORMAT:
            return self._known(self.format if container is None else mapped(self.format.get(container)), key, key)
        slot = "prompt" if place is Place.PROMPT else _LISTS.get(place)
        if slot is None:
            raise InvalidInput(f"no slot holds the field {key!r:.80}", kind="bad-wire")
        self.lists.append((slot, key, container))
        return None

    def tell(self, body: dict[str, Any], back: Callable[[Any], Any]) -> None:
        """Fill in the fields that the slots prompt, documents, tools and history hold."""
        prompted = False
        for slot, key, container in self.lists:
            prompted = prompted or slot == "prompt"
            (body if container is None else body[container])[key] = back(self._slot(slot, key))
        if self.holding:
            history = self._slot("history", self.holding[0])
            prompt = self.slots.get("prompt", ABSENT)
            if self.teller.leads and not prompted and not isinstance(prompt, SlotState):
                if not isinstance(prompt, list):
                    raise InvalidInput("the prompt is no list of messages, and this API carries it as one", kind="bad-wire")
                history = [*prompt, *history]
            try:
                body.update(self.teller.scatter(back(history), self.holding))
            except (LookupError, TypeError, ValueError) as error:
                raise InvalidInput("this history is not told as this API tells one", kind="bad-wire") from error

    def _parameter(self, key: str, container: str | None) -> Any:
        values = self.parameters if container is None else mapped(self.parameters.get(container))
        value = self._known(values, key, key)
        sent = self.sent if container is None else mapped(self.sent.get(container))
        if key in sent and normalise(sent[key]) == normalise(value):
            return sent[key]
        return value

    def _slot(self, slot: str, key: str) -> Any:
        found = self.slots.get(slot, ABSENT)
        if isinstance(found, SlotState):
            raise InvalidInput(f"the slot {slot} is {found.value}, and the field {key!r:.80} needs it", kind="bad-wire")
        return found

    def _known(self, values: Mapping[str, Any], key: str, field: str) -> Any:
        if key not in values:
            raise InvalidInput(f"no slot holds the field {field!r:.80}", kind="bad-wire")
        return values[key]


def lift_media(slots: dict[str, Any]) -> bool:
    """Make bytes of the base64 media in slots, in place; True if there were any."""
    found = False
    for name in _MEDIA_SLOTS:
        value = slots.get(name)
        if type(value) is list or type(value) is dict:
            slots[name] = lift(value)
            found = found or slots[name] is not value
    return found


def _into(values: dict[str, Any], container: str | None) -> dict[str, Any]:
    if container is None:
        return values
    found: dict[str, Any] = values.setdefault(container, {})
    return found


def mapped(value: Any) -> Mapping[str, Any]:
    """Return a map; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def settings_of(slots: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the map that a slot holds; an empty one where it holds none."""
    return mapped(slots.get(name))


def _is_version(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(each) is str for each in value))


def _is_normal(value: Any) -> bool:
    """True if the normal form of settings writes this value as it is."""
    kind = type(value)
    if kind is float:
        return not value.is_integer() or abs(value) > 2.0**53
    if kind is list:
        return all(_is_normal(item) for item in value)
    if kind is dict:
        keys = list(value)
        return keys == sorted(keys) and all(_is_normal(item) for item in value.values())
    return True
