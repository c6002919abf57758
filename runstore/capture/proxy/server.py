"""The server of the proxy: HTTP/1.1 on asyncio and h11. Loopback unless told otherwise; it ends when its running calls have.

Each connection is a task. While a call runs, the connection is watched: a client that goes away cancels the call, so that the upstream need
not go on. A request's body is read whole before it is passed on, since whoever answers instead of the upstream has to know it.
"""

from __future__ import annotations

import asyncio
import contextlib

import h11

from runstore.capture.proxy.forwarding import Asked, Forward
from runstore.capture.tap.handler import Pairs
from runstore.errors import RunstoreError, Unavailable

MOST_BODY = 1 << 30
GRACE_SECONDS = 30.0
_IDLE_SECONDS = 300.0
_PIECE = 64 << 10
_MOST_AHEAD = 4 << 20


class Server:
    """Listens, and hands each request to `forward`."""

    def __init__(self, forward: Forward, *, most_body: int = MOST_BODY) -> None:
        self._forward = forward
        self._most_body = most_body
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen; return the port. Raises Unavailable."""
        try:
            self._server = await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", hint="name another --port") from error
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more calls, let those that run end for `grace` seconds, and cut off the rest."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.finish()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(self._forward, reader, writer, task, self._most_body)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            writer.close()
            try:
                await asyncio.wait_for(writer.wait_closed(), 5)
            except (ConnectionError, TimeoutError):
                writer.transport.abort()  # what a client does not read is not kept for it


class _Refusal(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Connection:
    """One connection of a client: requests, one after another. It takes the answers too (`Answering`)."""

    def __init__(
        self, forward: Forward, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None], most_body: int
    ) -> None:
        self.task = task
        self._forward = forward
        self._reader = reader
        self._writer = writer
        self._most_body = most_body
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_PIECE)
        self._idle = True
        self._last = False
        self._no_body = False

    def finish(self) -> None:
        """Take no further request."""
        self._last = True
        if self._idle:
            self.task.cancel()

    async def serve(self) -> None:
        """Answer requests until the client or `finish` ends it."""
        try:
            while not self._last and await self._next():
                pass
        except (ConnectionError, TimeoutError):
            return  # the client is gone
        except asyncio.CancelledError:
            if not self._idle:
                raise

    async def head(self, status: int, headers: Pairs) -> None:
        """See `Answering`."""
        sent = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if self._last:
            sent.append((b"connection", b"close"))
        await self._send(h11.Response(status_code=status, headers=sent, reason=b""))

    async def chunk(self, data: bytes) -> None:
        """See `Answering`."""
        if data and not self._no_body:
            await self._send(h11.Data(data=data))

    async def _next(self) -> bool:
        """Answer one request; False if there is no other after it."""
        self._idle = True
        try:
            asked = await self._request()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, str(error))
            return False
        except _Refusal as error:
            await self._refuse(error.status, str(error))
            return False
        if asked is None:
            return False
        self._idle = False
        self._no_body = asked.method == "HEAD"
        try:
            await self._watched(asked)
        except (ConnectionError, TimeoutError):
            raise
        except RunstoreError as error:  # a handler that was told to raise: the call is not let through
            await self._refuse(500, f"runstore: {error}")
            return False
        except (h11.LocalProtocolError, UnicodeError) as error:
            await self._refuse(502, f"the answer cannot be passed on: {error}")
            return False
        except Exception as error:  # noqa: BLE001 - whatever a call meets, its client is told and the others go on
            await self._refuse(500, f"runstore: {type(error).__name__}: {error}")
            return False
        try:
            await self._send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            return False  # the body was shorter than its length: only the end of the connection can say so
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True

    async def _watched(self, asked: Asked) -> None:
        """Forward a request; cancel that if the client goes away."""
        call = asyncio.ensure_future(self._forward(asked, self))
        watch = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait((call, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if not call.done():
                call.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):  # the call says so, too
                await watch
        try:
            await call
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise ConnectionResetError("the client went away") from None

    async def _gone(self) -> None:
        """Return when the client has closed the connection; what it sends before its answer is kept for the next request, within bounds."""
        left = _MOST_AHEAD
        while data := await self._reader.read(_PIECE):
            left -= len(data)
            if left < 0:
                self._writer.transport.abort()
                return
            self._protocol.receive_data(data)

    async def _request(self) -> Asked | None:
        """Read one request; None if the client ended instead."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                if self._protocol.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
                data = await asyncio.wait_for(self._reader.read(_PIECE), _IDLE_SECONDS)
                self._protocol.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._most_body:
                    raise _Refusal(413, f"the request has more than {self._most_body} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _asked(head, bytes(body))
            else:
                return None

    async def _refuse(self, status: int, reason: str) -> None:
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = f"{reason}\n".encode()
            self._last = True
            await self.head(status, (("content-type", "text/plain"), ("content-length", str(len(body)))))
            await self.chunk(body)
            await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        data = self._protocol.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _asked(head: h11.Request, body: bytes) -> Asked:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items())
    target = head.target.decode("latin-1")
    if not target.startswith("/"):
        raise _Refusal(400, "this is a proxy for one service, and no forward proxy: give it as the base URL")
    if "#" in target or not {".", ".."}.isdisjoint(target.partition("?")[0].split("/")):
        raise _Refusal(400, "the target of a request has no fragment, and no part . or .. that leads out of the service's path")
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in head.headers}:
        raise _Refusal(400, "a request has a length or a transfer encoding, not both: who reads it otherwise takes its body for a request")
    return Asked(head.method.decode("ascii"), target, headers, body)
