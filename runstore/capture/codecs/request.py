"""Requests with a JSON body: slots and envelope by a layout of places, and the body again, byte for byte.

What a codec adds is its layout, its paths, and how its conversation is told (`gather`, `scatter`).
Source: docs/spec/wire/README.md, "The envelope".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from runstore.capture.codecs import jsonstyle
from runstore.capture.codecs.contract import RAW, STYLED, UNREAD, Decoded, Request, Unresolved
from runstore.capture.codecs.jsonread import read_fast, read_strict
from runstore.capture.codecs.media import Blob, unlift
from runstore.capture.codecs.places import Layout, Place
from runstore.capture.codecs.placing import Placing, Taking, lift_media, settings_of
from runstore.capture.codecs.pointers import unresolved
from runstore.capture.codecs.urls import VERSION_HEADERS, Headers, read_headers, read_url
from runstore.errors import InvalidInput, LimitExceeded
from runstore.model.settings import normalise
from runstore.model.slots import SETTINGS_SLOTS
from runstore.model.trees import ABSENT

INSTRUCTING = ("system", "developer")
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)\Z")
_TEXT_BYTES = 1 << 20  # above this an unread body is a blob, and never too large for a value


class Located(NamedTuple):
    """What a path says: the base path of the service, the model's name if it names one, and which operation if there are several.

    `deployment` is a name that counts only where the body states none.
    """

    base: str
    model: str | None = None
    operation: str | None = None
    deployment: str | None = None


class Start(NamedTuple):
    """What URL and headers say of a request: settings of the model, the beginning of the envelope, and Azure's deployment."""

    model: dict[str, Any]
    wire: dict[str, Any]
    deployment: str | None


def as_stored(slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return slots as a store gives them back: settings in normal form."""
    return {name: normalise(slot) if name in SETTINGS_SLOTS else slot for name, slot in slots.items()}


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
        start = self._start(url, headers)
        try:
            text = body.decode("utf-8")
            value = read_fast(text)
        except (UnicodeDecodeError, InvalidInput):
            return _unread(start, body)
        if type(value) is not dict:
            return _unread(start, body)
        try:
            slots, wire = self._slots(value, start)
            lifted = lift_media(slots)
            style = jsonstyle.detect(text, self._body(as_stored(slots), wire, None, lifted=lifted))
        except RecursionError:  # hundreds of levels: no run holds more than 64
            return _unread(start, body)
        if style is None or style.tokens:
            # Nothing proved yet that no key stands twice and no number is out of range.
            try:
                read_strict(text)
            except InvalidInput:
                return _unread(start, body)
        if style is None:
            return Decoded(slots, {**wire, "raw": body}, RAW)
        wire["style"] = jsonstyle.to_value(style)
        return Decoded(slots, wire, STYLED)

    def keep_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """See `Codec`."""
        return _unread(self._start(url, headers), body)

    def rebuild_request(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None = None) -> Request:
        """See `Codec`."""
        model = settings_of(slots, "model")
        url = wire.get("url")
        if not isinstance(url, str):
            raise InvalidInput("this envelope states no URL", kind="bad-wire")
        target = self._target(url, model)
        headers = {**(wire.get("headers") or {}), **{key: str(model[key]) for key in model if key in VERSION_HEADERS}}
        try:
            body = self._bytes(slots, wire, blob)
        except RecursionError as error:
            raise LimitExceeded("slots of hundreds of levels: no run holds more than 64", kind="limit-exceeded") from error
        return Request("POST", target, headers, body)

    def unresolved(self, slots: Mapping[str, Any], wire: Mapping[str, Any]) -> tuple[Unresolved, ...]:
        """See `Codec`."""
        if wire.get("unread"):
            return ()
        return unresolved(self._body(slots, wire, None, lifted=False), self.layout)

    def _start(self, url: str, headers: Headers) -> Start:
        """Return what URL and headers say: the beginnings of model and envelope."""
        target = read_url(url)
        wire_headers, model_headers = read_headers(headers)
        located = self.locate(target.path)
        model: dict[str, Any] = {"api": self.name}
        if located.operation:
            model["operation"] = located.operation
        if not target.loopback:
            model["endpoint"] = target.origin + located.base
        wire: dict[str, Any] = {"codec": f"{self.name}/{self.version}", "url": target.kept}
        if wire_headers:
            wire["headers"] = wire_headers
        model |= target.versions | model_headers
        if located.model is not None:
            model["name"] = located.model
        return Start(model, wire, located.deployment)

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

    def _slots(self, body: dict[str, Any], start: Start) -> tuple[dict[str, Any], dict[str, Any]]:
        model = dict(start.model)
        placing = Placing(model)
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
        if start.deployment is not None:
            model.setdefault("name", start.deployment)
        slots = placing.slots
        self._tell(placing, slots)
        if placing.format:
            sole = self.layout.sole_format
            slots["output_format"] = placing.format[sole] if sole else placing.format
        slots["parameters"] = placing.parameters or ABSENT
        if placing.extra:
            slots["extra"] = placing.extra
        told = {"keys": placing.keys, "delivery": placing.delivery, "sent": placing.sent}
        return slots, {**start.wire, **{name: part for name, part in told.items() if part or name == "keys"}}

    def _tell(self, placing: Placing, slots: dict[str, Any]) -> None:
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
        extra = settings_of(slots, "extra")
        # What was not lifted a moment ago need not be searched for bytes.
        back: Callable[[Any], Any] = partial(unlift, blob=blob) if lifted else _same
        taking = Taking(self, slots, wire, back(extra))
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
            path = path[: found.start("model")] + quote(wanted, safe="", errors="surrogatepass") + path[found.end("model") :]
        return path + mark + query


class OpenAIRequests(JsonRequests):
    """Requests of OpenAI's APIs. Azure names the deployment in the path: it is what answers if the body names no model."""

    def locate(self, path: str) -> Located:
        """Read a path, Azure's with the deployment in it included."""
        located = super().locate(path)
        found = _DEPLOYMENT.search(located.base)
        return located._replace(deployment=unquote(found[1])) if found else located


def _unread(start: Start, body: bytes) -> Decoded:
    """Return what can be said of a request whose body is no JSON object: the model in the path, and the body as it is."""
    kept: Any = body
    if len(body) <= _TEXT_BYTES:
        with suppress(UnicodeDecodeError):
            kept = body.decode("utf-8")
    model = start.model if start.deployment is None else {**start.model, "name": start.deployment}
    return Decoded({"model": model, "extra": {"body": kept}}, {**start.wire, "unread": True}, UNREAD)


def _same(value: Any) -> Any:
    return value


def _raw(kept: Any, blob: Blob | None) -> bytes:
    if type(kept) is bytes:
        return kept
    if kept is None or blob is None:
        raise InvalidInput("the bytes of this body are not at hand", kind="no-blob")
    return blob(kept)
