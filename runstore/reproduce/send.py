"""Sending a request once, and keeping what came back as it lay on the wire. Standard library alone; no proxy, no retry, no redirect."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping

from runstore.capture.codecs.urls import read_url
from runstore.capture.exchange import Exchange
from runstore.capture.tap.plain import Address, Connection
from runstore.reproduce.request import Call

TIMEOUT = 600.0


def send(
    call: Call, secret: Mapping[str, str], *, clock: Callable[[], int], timeout: float = TIMEOUT, address: Address | None = None
) -> Exchange:
    """Send a call with the headers that carry its key, and return the exchange, without those headers.

    A service that cannot be reached, or breaks off, is an exchange with an `error`, not an exception. `timeout` is in seconds. `address` is
    where a service over HTTP listens, if not where its URL says.
    """
    target = read_url(call.url)
    secure = target.origin.startswith("https:")
    host = target.origin.partition("://")[2]
    connection = http.client.HTTPSConnection(host, timeout=timeout) if secure else Connection(host, address, timeout)
    headers = {"content-type": "application/json", **call.headers}
    pairs = tuple(headers.items())
    started = clock()
    exchange = Exchange(call.method, call.url, pairs, call.body, started=started, complete=False)
    try:
        connection.request(
            call.method, call.url[len(target.origin) :] or "/", call.body, {**headers, **secret, "accept-encoding": "identity"}
        )
        response = connection.getresponse()
        got = tuple((name.lower(), value) for name, value in response.getheaders())
        exchange = exchange._replace(status=response.status, response_headers=got)
        body, error = _read(response)
        return exchange._replace(response_body=body, complete=error is None, error=error, ended=clock())
    except (OSError, http.client.HTTPException) as error:
        return exchange._replace(error=f"{type(error).__name__}: {error}", ended=clock())
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> tuple[bytes, str | None]:
    parts: list[bytes] = []
    try:
        while chunk := response.read1(1 << 16):
            parts.append(chunk)
    except (OSError, http.client.HTTPException) as error:
        return b"".join(parts), f"{type(error).__name__}: {error}"
    return b"".join(parts), None
