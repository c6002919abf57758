"""Exchange: one call as it lay on the wire, whoever saw it: the tap, the proxy, an importer. Plain data, no I/O."""

from __future__ import annotations

from typing import NamedTuple

Pairs = tuple[tuple[str, str], ...]


class Exchange(NamedTuple):
    """A request and what came back.

    `status` is None if no response came. The response's content encoding is removed; a stream stands whole, as it was received.
    `started` and `ended` are microseconds since 1970 UTC, None where nobody recorded them. `complete` is False if the response was not
    read to its end. `error` is what the client saw instead of an answer, or of the rest of one. `wire_exact` is False where the source
    parsed the request body, so that its bytes are not those of the wire. `interrupted` says that the caller, and not the service, ended
    the call: it was cancelled, or its process is gone.
    """

    method: str
    url: str
    request_headers: Pairs
    request_body: bytes
    status: int | None = None
    response_headers: Pairs = ()
    response_body: bytes = b""
    started: int | None = None
    ended: int | None = None
    complete: bool = True
    error: str | None = None
    wire_exact: bool = True
    interrupted: bool = False
