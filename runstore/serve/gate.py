"""The gate: reading the head of a request, and answering one that is not let through: in plain text, and with no more than is needed."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from starlette.responses import PlainTextResponse

HEAD_BYTES = 16 << 10


class Refusal(Exception):
    """A request is answered with this status and reason; `retry` says after how many seconds it may come again."""

    def __init__(self, status: int, reason: str, *, retry: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry = retry


def refusal(told: Refusal) -> PlainTextResponse:
    """Return the response for a request that is not let through. The connection ends: its body was not read."""
    headers = {"connection": "close", "cache-control": "no-store"}
    if told.status == 401:
        headers["www-authenticate"] = 'Bearer realm="runstore"'
    if told.retry is not None:
        headers["retry-after"] = str(ceil(told.retry))
    return PlainTextResponse(f"{told}\n", told.status, headers)


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the bearer token of a request, None for a request without authorization. Anything else than one token is a bad one."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if not found:
        return None
    scheme, _, secret = found[0].partition(b" ")
    if len(found) > 1 or scheme.lower() != b"bearer":
        return ""
    return secret.strip().decode("latin-1")
