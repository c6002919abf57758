"""What codecs take and give: plain values, nothing that does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from runstore.capture.codecs.media import Blob
from runstore.capture.codecs.urls import Headers

OK, ERROR, PARTIAL, INTERRUPTED = "ok", "error", "partial", "interrupted"

STYLED, RAW, UNREAD = "styled", "raw", "unread"
"""How a body is rebuilt: from slots and a style; from the bytes kept beside them; or it was never read as JSON, and stands in `extra`.

`styled` is found by doing it: the slots, settings in normal form, were put back and written, and gave the bytes.
"""


class Unresolved(NamedTuple):
    """A reference to what is not in the request: a JSON pointer into the body, a stable code, and what it says.

    Codes are those of `runstore check` (docs/spec/wire/README.md, "Unresolved").
    """

    pointer: str
    code: str
    says: str


class Decoded(NamedTuple):
    """A request as slots for `Run(**slots)`, the wire envelope for the execution's `wire`, and how the body is rebuilt.

    Base64 media stand as bytes in the slots, and become blobs when the run is made.
    """

    slots: dict[str, Any]
    wire: dict[str, Any]
    exact: str


class Request(NamedTuple):
    """A request as it lay on the wire, without what no list keeps: the target is path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer. `output` is a list of messages, another value, or None; `runtime` None where the provider said nothing of what answered.

    `response` is kept in the execution beside the output: `id` (the provider's), `status`, `headers`, `streamed`, and `body`, the answer as
    one JSON body without what stands in output, runtime and usage.
    """

    status: str
    output: Any
    runtime: dict[str, Any] | None
    usage: dict[str, Any] | None
    response: dict[str, Any]


class Codec(Protocol):
    """One API. Pure: no I/O, no clock. Nothing raises anything but RunstoreError, whatever the bytes."""

    @property
    def name(self) -> str:
        """The API's name: `model.api` of the runs."""
        ...

    @property
    def version(self) -> int:
        """Counts up when a slot of any request changes its id."""
        ...

    def match(self, url: str, method: str, headers: Headers = ()) -> bool:
        """True if a request with this URL and method is a call of this API."""
        ...

    def decode_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """Read a request. Raises InvalidInput only for a URL that is none; a body that is no JSON object is kept as it is."""
        ...

    def keep_request(self, url: str, headers: Headers, body: bytes) -> Decoded:
        """Keep a request unread: for a body that can be read and that no run can hold, too deep or too large."""
        ...

    def rebuild_request(self, slots: Mapping[str, Any], wire: Mapping[str, Any], blob: Blob | None = None) -> Request:
        """Write a request again: byte for byte that which was decoded to these slots and this envelope.

        Slots may come from the store; then `blob` reads the links in them. Raises InvalidInput if the two do not belong together.
        """
        ...

    def unresolved(self, slots: Mapping[str, Any], wire: Mapping[str, Any]) -> tuple[Unresolved, ...]:
        """Return what the request points at instead of holding it, in the order of the body."""
        ...

    def decode_response(self, status: int, headers: Headers, body: bytes, asked: Mapping[str, Any] | None = None) -> Answer:
        """Read an answer, in one piece or streamed. `asked` are the slots of the request, where they are known."""
        ...

    def rebuild_response(self, answer: Answer, blob: Blob | None = None) -> dict[str, Any]:
        """Return the body that an answer in one piece has: equal as JSON to the one decoded, or what the stream says in one piece."""
        ...
