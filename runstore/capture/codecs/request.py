"""Requests with a JSON body: slots and envelope by a layout of places, and the body again, byte for byte.

What a codec adds is its layout, its paths, and how its conversation is told (`gather`, `scatter`).
Source: docs/spec/wire/README.md, "The envelope".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from runstore.capture.codecs import jsonstyle
from runstore.capture.codecs.contract import RAW, STYLED, UNREAD, Decoded, Request, Unresolved
from runstore.capture.codecs.jsonread import read_fast, read_strict
from runstore.capture.codecs.media import Blob, lift, unlift
from runstore.capture.codecs.places import Layout, Place
from runstore.capture.codecs.pointers import unresolved
from runstore.capture.codecs.urls import VERSION_HEADERS, Headers, read_headers, read_url
from runstore.errors import InvalidInput
from runstore.model.settings import normalise
from runstore.model.trees import ABSENT, SlotState

INSTRUCTING = ("system", "developer")
_LISTS = {Place.HISTORY: "history", Place.DOCUMENTS: "documents", Place.TOOLS: "tools"}
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)\Z")
_MEDIA_SLOTS = ("prompt", "history", "documents", "extra")


class Located(NamedTuple):
    """What a path says: the base path of the service, the model's name if it names one, and which operation if there are several."""

    base: str
    model: str | None = None
    operation: str | None = None


def with_deployment(located: Located) -> Located:
    """Return what a path says, with the deployment that Azure names in it: what answers if the body names no model."""
    found = _DEPLOYMENT.search(located.base)
    return located._replace(model=unquote(found[1])) if found else located


class JsonRequests:
    """The request half of a codec. Subclasses are stateless: one object serves every thread."""

    name: str
    version = 1
    layout: Layout
    path: re.Pattern[str]
    leads = False
    """True if the leading system and developer messages of the history are the prompt."""

    def match(self, url: str, method: str, headers: Headers = ()) -> bool:
        """True for a POST to a path of this API."""
        if method.upper() != "POST":
            return False
        try:
            return self.path.fullmatch(read_url(url).path) is not None
        except InvalidInput:
            return False

    def decode_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """See `Codec`."""
        target = read_url(url)
        wire_headers, model_headers = read_headers(headers)
        located = self.locate(target.path)
        model: dict[str, Any] = {"api": self.name}
        if located.operation:
            model["operation"] = located.operation
        if not target.loopback:
            model["endpoint"] = target.origin + located.base
        model |= target.versions
        model |= model_headers
        wire: dict[str, Any] = {"codec": f"{self.name}/{self.version}", "url": target.kept}
        if wire_headers:
            wire["headers"] = wire_headers
        try:
            text = body.decode("utf-8")
            value = read_fast(text)
        except (UnicodeDecodeError, InvalidInput):
            return _unread(model, located, wire, body)
        if type(value) is not dict:
            return _unread(model, located, wire, body)
        slots = self._slots(value, model, wire, located.model)
        lifted = _lift_media(slots)
        style = jsonstyle.detect(text, self._body(slots, wire, None, lifted=lifted))
        if style is None or style.tokens:
            # Nothing proved yet that no key stands twice and no number is out of range.
            try:
                read_strict(text)
            except InvalidInput:
                return _unread({key: item for key, item in model.items() if key != "name"}, located, _bare(wire), body)
        if style is None:
            return Decoded(slots, {**wire, "raw": body}, RAW)
        wire["style"] = jsonstyle.to_value(style)
        return Decoded(slots, wire, STYLED)

    def rebuild_request(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None = None) -> Request:
        """See `Codec`."""
        model = _settings(slots, "model")
        url = wire.get("url")
        if not isinstance(url, str):
            raise InvalidInput("this envelope states no URL", kind="bad-wire")
        target = self._target(url, model)
        headers = {**(wire.get("headers") or {}), **{key: str(model[key]) for key in model if key in VERSION_HEADERS}}
        return Request("POST", target, headers, self._bytes(slots, wire, blob))

    def unresolved(self, slots: Mapping[str, Any], wire: Mapping[str, Any]) -> tuple[Unresolved, ...]:
        """See `Codec`."""
        if wire.get("unread"):
            return ()
        return unresolved(self._body(slots, wire, lambda link: b""), self.layout)

    # --- what a codec may do otherwise ------------------------------------------------------------------------------------------

    def locate(self, path: str) -> Located:
        """Read a path of this API."""
        found = self.path.fullmatch(path)
        if found is None:
            raise InvalidInput(f"{path[:120]!r} is no path of {self.name}", kind="bad-url")
        groups = found.groupdict()
        name = groups.get("model")
        return Located(groups["base"], unquote(name) if name else None, groups.get("operation"))

    def gather(self, held: dict[str, Any]) -> list[Any] | None:
        """Make the history of the fields that hold it; None if they are not of that kind, which leaves them to `extra`."""
        (field,) = held.values() if len(held) == 1 else (None,)
        return field if type(field) is list else None

    def scatter(self, history: list[Any], fields: list[str]) -> dict[str, Any]:
        """Undo `gather`: the fields, in the order in which they stand in the body."""
        return {fields[0]: history} if len(fields) == 1 else {}

    # --- body to slots ----------------------------------------------------------------------------------------------------------

    def _slots(self, body: dict[str, Any], model: dict[str, Any], wire: dict[str, Any], named: str | None) -> dict[str, Any]:
        placing = _Placing(model)
        fields, opened = self.layout.fields, self.layout.opened
        for key, value in body.items():
            inside = opened.get(key)
            if inside is not None and type(value) is dict:
                placing.keys.append([key, list(value)])
                if not value:
                    placing.open(key, inside)
                for name, item in value.items():
                    placing.put(inside.get(name, Place.EXTRA), name, item, key)
            else:
                placing.keys.append(key)
                placing.put(fields.get(key, Place.EXTRA), key, value, None)
        if named is not None:
            model.setdefault("name", named)
        slots = placing.slots
        self._tell(placing, slots)
        if placing.format:
            sole = self.layout.sole_format
            slots["output_format"] = placing.format[sole] if sole else placing.format
        slots["parameters"] = placing.parameters or ABSENT
        if placing.extra:
            slots["extra"] = placing.extra
        wire["keys"] = placing.keys
        wire |= {name: part for name, part in (("delivery", placing.delivery), ("sent", placing.sent)) if part}
        return slots

    def _tell(self, placing: _Placing, slots: dict[str, Any]) -> None:
        """Fill history, and the prompt where messages carry it."""
        if not placing.held:
            return
        history = self.gather(placing.held)
        if history is None:
            left = {**placing.extra, **placing.held}
            order = [key if isinstance(key, str) else key[0] for key in placing.keys]
            placing.extra = {key: left[key] for key in order if key in left}
            return
        start = 0
        if self.leads and slots["prompt"] is ABSENT:
            while start < len(history) and type(history[start]) is dict and history[start].get("role") in INSTRUCTING:
                start += 1
            if start:
                slots["prompt"] = history[:start]
        slots["history"] = history[start:] if start else history

    # --- slots to body ----------------------------------------------------------------------------------------------------------

    def _bytes(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None) -> bytes:
        if wire.get("unread"):
            kept = (slots.get("extra") or {}).get("body")
            return kept.encode("utf-8") if isinstance(kept, str) else _raw(kept, blob)
        body = self._body(slots, wire, blob)
        if "raw" in wire:
            raw = _raw(wire["raw"], blob)
            if read_strict(raw.decode("utf-8")) == body:
                return raw
        style = jsonstyle.from_value(wire.get("style", "compact"))
        return jsonstyle.render(body, style).encode("utf-8")

    def _body(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None, *, lifted: bool = True) -> dict[str, Any]:
        keys = wire.get("keys")
        if not isinstance(keys, list):
            raise InvalidInput("this envelope states no keys", kind="bad-wire")
        extra = _settings(slots, "extra")
        # What was not lifted a moment ago need not be searched for bytes.
        back: Callable[[Any], Any] = partial(unlift, blob=blob) if lifted else _same
        taking = _Taking(self, slots, wire, back(extra))
        body: dict[str, Any] = {}
        for key in keys:
            if isinstance(key, str):
                body[key] = taking.take(self.layout.fields.get(key, Place.EXTRA), key, None)
            elif isinstance(key, list) and len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], list):
                inside = self.layout.opened.get(key[0], {})
                body[key[0]] = {name: taking.take(inside.get(name, Place.EXTRA), name, key[0]) for name in key[1]}
            else:
                raise InvalidInput(f"{key!r:.80} is no key of an envelope", kind="bad-wire")
        taking.tell(body, back)
        return body

    def _target(self, url: str, model: Mapping[str, Any]) -> str:
        """Return path and query, with the model's name in the path where it stands there."""
        origin = read_url(url).origin
        target = url[len(origin) :] or "/"
        path, mark, query = target.partition("?")
        named, wanted = self.locate(path).model, model.get("name")
        if named is not None and isinstance(wanted, str) and named != wanted and "model" in self.path.groupindex:
            found = self.path.fullmatch(path)
            assert found is not None
            path = path[: found.start("model")] + quote(wanted, safe="") + path[found.end("model") :]
        return path + mark + query


class _Placing:
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
        if place is Place.EXTRA or value is None:
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


class _Taking:
    """The slots of one run on their way back to fields."""

    def __init__(self, codec: JsonRequests, slots: Mapping[str, Any], wire: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        self.codec, self.slots, self.extra = codec, slots, extra
        self.parameters = _settings(slots, "parameters")
        self.delivery, self.sent = _map(wire.get("delivery")), _map(wire.get("sent"))
        sole = codec.layout.sole_format
        found = slots.get("output_format")
        self.format = {sole: found} if sole else _map(found)
        self.model = _settings(slots, "model")
        self.holding: list[str] = []
        self.prompted: str | tuple[str, str] | None = None
        self.lists: list[tuple[str, str, str | None]] = []

    def take(self, place: Place, key: str, container: str | None) -> Any:
        """Return the value of one field; fields that come from lists are filled by `tell`."""
        for source in (self.extra, self.delivery):
            held = source if container is None else _map(source.get(container))
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
            return self._known(self.format if container is None else _map(self.format.get(container)), key, key)
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
            if self.codec.leads and not prompted and not isinstance(prompt, SlotState):
                history = [*prompt, *history]
            body.update(self.codec.scatter(back(history), self.holding))

    def _parameter(self, key: str, container: str | None) -> Any:
        values = self.parameters if container is None else _map(self.parameters.get(container))
        value = self._known(values, key, key)
        sent = self.sent if container is None else _map(self.sent.get(container))
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


def _lift_media(slots: dict[str, Any]) -> bool:
    """Make bytes of the base64 media in slots, in place; True if there were any."""
    found = False
    for name in _MEDIA_SLOTS:
        value = slots.get(name)
        if type(value) is list or type(value) is dict:
            slots[name] = lift(value)
            found = found or slots[name] is not value
    return found


def _same(value: Any) -> Any:
    return value


def _into(values: dict[str, Any], container: str | None) -> dict[str, Any]:
    if container is None:
        return values
    found: dict[str, Any] = values.setdefault(container, {})
    return found


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _settings(slots: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _map(slots.get(name))


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


def _unread(model: dict[str, Any], located: Located, wire: dict[str, Any], body: bytes) -> Decoded:
    """Return what can be said of a request whose body is no JSON object: the model in the path, and the body as it is."""
    if located.model is not None:
        model["name"] = located.model
    try:
        kept: Any = body.decode("utf-8")
    except UnicodeDecodeError:
        kept = body
    return Decoded({"model": model, "extra": {"body": kept}}, {**wire, "unread": True}, UNREAD)


def _bare(wire: dict[str, Any]) -> dict[str, Any]:
    return {key: wire[key] for key in ("codec", "url", "headers") if key in wire}


def _raw(kept: Any, blob: Blob | None) -> bytes:
    if type(kept) is bytes:
        return kept
    if kept is None or blob is None:
        raise InvalidInput("the bytes of this body are not at hand", kind="no-blob")
    return blob(kept)
