"""Asking a model: a composition goes out, a run and the fields of its execution come back, ready to be recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from runstore.capture import demo
from runstore.capture.assemble import assemble
from runstore.capture.exchange import Exchange
from runstore.capture.tap.plain import Address
from runstore.errors import InvalidInput
from runstore.model.ids import Link
from runstore.model.run import Run
from runstore.reproduce.credentials import credential_for, headers_with
from runstore.reproduce.envelope import fitted
from runstore.reproduce.recorded import Recorded, no_envelope, sent_slots
from runstore.reproduce.request import Call, call_of, elsewhere
from runstore.reproduce.send import TIMEOUT, send


class Asked(NamedTuple):
    """What was asked and answered: a run, and the fields for `repo.add`. `body` is the request's, empty where there was none."""

    run: Run
    fields: dict[str, Any]
    body: bytes

    @property
    def answered(self) -> bool:
        """True if a complete answer came."""
        return self.fields.get("status") == "ok"

    @property
    def reached(self) -> bool:
        """False if the service could not be reached at all."""
        return "error" not in (self.fields.get("notes") or {}) or self.fields.get("response") is not None


class Asker(Protocol):
    """Something that answers compositions. Threads may share one."""

    def ask(self, slots: Mapping[str, Any]) -> Asked:
        """Ask once. `slots` are plain values. Raises InvalidInput for what cannot be asked, never for what the service says."""
        ...


class Surroundings(NamedTuple):
    """What is passed in from outside: the environment with the keys, the clock, and how to read blobs.

    `against` is another service to ask, `key_from` the variable that holds its key, `timeout` in seconds.
    """

    environment: Mapping[str, str]
    clock: Callable[[], int]
    blob: Callable[[Link], bytes]
    against: str | None = None
    key_from: str | None = None
    timeout: float = TIMEOUT


def asker_for(found: Recorded, around: Surroundings) -> Asker:
    """Return what answers a recorded run anew. Raises Incomplete where its request is not recorded, InvalidInput where a key is missing."""
    if found.wire is None:
        raise no_envelope(found)
    builtin = around.against is None and str(found.wire.get("url")).startswith(f"http://{demo.HOST}/")
    asker = (BuiltinAsker if builtin else HttpAsker)(found.wire, around)
    asker.check()
    return asker


class HttpAsker:
    """Asks the service that a recorded envelope names, or another in its place."""

    def __init__(self, wire: Mapping[str, Any], around: Surroundings) -> None:
        self._wire = wire
        self._around = around

    def check(self) -> None:
        """Raise InvalidInput if the service wants a key that is not set."""
        url = self._around.against or str(self._wire.get("url"))
        headers_with(self._credential(url, str(self._wire.get("codec")).partition("/")[0]), self._around.environment)

    def call(self, slots: Mapping[str, Any]) -> Call:
        """Return the request for a composition: that of the envelope where the two belong together, else one like it."""
        sent = sent_slots(slots)
        try:
            call = call_of(sent, self._wire, self._around.blob)
        except InvalidInput:
            call = None
        if call is None or not self._says(call, sent):
            call = call_of(sent, fitted(sent, self._wire), self._around.blob)
        return elsewhere(call, self._around.against) if self._around.against else call

    def ask(self, slots: Mapping[str, Any]) -> Asked:
        """See `Asker`."""
        call = self.call(slots)
        secret = headers_with(self._credential(call.url, call.api), self._around.environment)
        assembled = assemble(self._send(call, secret))
        if assembled is None:
            raise InvalidInput(f"{call.url} is no call of an API that runstore knows", kind="bad-url")
        return Asked(assembled.run, assembled.fields, call.body)

    def _send(self, call: Call, secret: Mapping[str, str], address: Address | None = None) -> Exchange:
        return send(call, secret, clock=self._around.clock, timeout=self._around.timeout, address=address)

    def _says(self, call: Call, slots: Mapping[str, Any]) -> bool:
        """True if a request holds all of a composition: an envelope may have no key for a slot that came."""
        from runstore.capture.codecs import codec_named

        decoded = codec_named(self._wire).decode_request(call.url, call.headers, call.body)
        wanted = {name: slot for name, slot in slots.items() if name in decoded.slots or name in ("output_format", "extra")}
        return _same_run(wanted, decoded.slots)

    def _credential(self, url: str, api: str) -> Any:
        return credential_for(url, api, self._around.key_from)


class BuiltinAsker(HttpAsker):
    """Asks the demo's provider, which listens on loopback for as long as it is asked."""

    def _send(self, call: Call, secret: Mapping[str, str], address: Address | None = None) -> Exchange:
        with demo.provider() as provider:
            return super()._send(call, secret, provider.address)


def _same_run(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True if two maps of slots make one run: blobs may stand as bytes on one side and as links on the other."""
    try:
        return Run(**one).request_id == Run(**other).request_id
    except InvalidInput:
        return False
