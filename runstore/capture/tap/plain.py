"""A client of the standard library that passes the tap as the patched ones do: for a program that has no other library at hand."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

from runstore.capture.tap.active import active
from runstore.capture.tap.handler import PASS, Call, Turn, Watcher
from runstore.errors import Unavailable

Address = tuple[str, int]
_MOST_SAID = 500


class Connection(http.client.HTTPConnection):
    """A connection to an address, whatever the host's name: as `curl --connect-to` makes it."""

    def __init__(self, host: str, address: Address | None, timeout: float | None = None) -> None:
        super().__init__(host, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        """Connect to the address; without one to the host."""
        if self._address is None:
            super().connect()
        else:
            self.sock = socket.create_connection(self._address, self.timeout)


class Client:
    """Posts JSON to a service over HTTP."""

    def __init__(self, host: str, address: Address | None = None, *, agent: str, timeout: float = 600.0) -> None:
        """`host` stands in the URL; `address` is where the service listens, if that is elsewhere. `agent` says who asks."""
        self._host = host
        self._address = address
        self._headers = {"content-type": "application/json", "user-agent": agent}
        self._timeout = timeout

    def post(self, path: str, value: Any) -> Iterator[bytes]:
        """Send a value, and yield the body of the answer as it comes. Raises Unavailable where the service refuses, and OSError."""
        body = json.dumps(value).encode("ascii")
        handler = active()
        call = Call("POST", f"http://{self._host}{path}", tuple(self._headers.items()), body)
        turn = PASS if handler is None else handler.start(call)
        if turn.reply is not None:
            yield from turn.reply.chunks
            return
        connection = Connection(self._host, self._address, self._timeout)
        try:
            yield from _told(self._sent(connection, turn, path, body), turn)
        finally:
            connection.close()

    def _sent(self, connection: Connection, turn: Turn, path: str, body: bytes) -> http.client.HTTPResponse:
        try:
            connection.request("POST", path, body, self._headers)
            return connection.getresponse()
        except BaseException as error:
            turn.failed(error)
            raise


def _told(response: http.client.HTTPResponse, turn: Turn) -> Iterator[bytes]:
    """Yield the body, and tell whoever watches each chunk before it."""
    watcher: Watcher = turn.answered(response.status, tuple(response.getheaders())) or _Nobody()
    said: list[bytes] = []
    try:
        while chunk := response.read1(1 << 16):
            watcher.chunk(chunk)
            if response.status < 400:
                yield chunk
            else:
                said.append(chunk)
        watcher.end(complete=True)
    except Exception as error:
        watcher.end(complete=False, error=error)
        raise
    finally:
        watcher.end(complete=False)  # whoever reads no further
    if response.status >= 400:
        text = b"".join(said)[:_MOST_SAID].decode("utf-8", "replace")
        raise Unavailable(f"the service answered {response.status}: {text}")


class _Nobody:
    """Watches nothing."""

    def chunk(self, data: bytes) -> None:
        """See `Watcher`."""

    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        """See `Watcher`."""
