"""Bodies of requests and responses as streams for a thread: what `read_call` reads, and what an answer is written to.

The endpoint is plain code in a thread of its own; the ASGI app lives in an event loop. Each read waits for the loop to receive, each
write for the loop to have sent, so nothing piles up in between, however slow a peer is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from runstore.errors import Refused
from runstore.sync.messages import disconnected

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
TOGETHER = 1 << 16
LEAST = 1024  # bytes for each second waited
_Answer = TypeVar("_Answer")


class Pacing:
    """Counts how long one peer let us wait and how much came of it. Raises Refused (`too-slow`) where that is too little."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._waited = 0.0
        self._bytes = 0

    def wait(self, loop: asyncio.AbstractEventLoop, doing: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Wait for something that the peer has to do."""
        begun = time.monotonic()
        future = asyncio.run_coroutine_threadsafe(doing, loop)
        try:
            found = future.result(self._idle)
        except Late:
            future.cancel()
            raise self._slow() from None
        self._waited += time.monotonic() - begun
        return found

    def count(self, size: int) -> None:
        """Count what came or went."""
        self._bytes += size
        if self._waited > self._idle:
            if self._bytes < LEAST * self._waited:
                raise self._slow()
            self._waited, self._bytes = 0.0, 0

    def _slow(self) -> Refused:
        return Refused(f"the other side let this one wait for {self._idle:g} seconds", hint="try again over a better line", kind="too-slow")


class Body:
    """The body of a request. `size` counts what was read, `ended` is true after its last byte was."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop, pacing: Pacing) -> None:
        self._receive = receive
        self._loop = loop
        self._pacing = pacing
        self._chunk = b""
        self._at = 0
        self.size = 0
        self.ended = False

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end. Raises Unavailable (`disconnected`) if the peer is gone, Refused if it is slow."""
        while self._at == len(self._chunk):
            if self.ended:
                return b""
            self._take(self._pacing.wait(self._loop, self.receive()))
        part = self._chunk[self._at : self._at + size]
        self._at += len(part)
        return part

    async def receive(self) -> Event:
        """Return what comes next from the peer."""
        return await self._receive()

    def _take(self, event: Event) -> None:
        if event["type"] != "http.request":
            self.ended = True
            raise disconnected("the connection ended in the middle of a call")
        self._chunk, self._at = bytes(event.get("body", b"")), 0
        self.size += len(self._chunk)
        self.ended = not event.get("more_body", False)
        self._pacing.count(len(self._chunk))

    async def drain(self, most: int, seconds: float) -> None:
        """Receive and drop what is left, within bounds, so that a peer which still sends can read its answer."""
        until = self._loop.time() + seconds
        while not self.ended and most > 0 and (left := until - self._loop.time()) > 0:
            try:
                event = await asyncio.wait_for(self.receive(), left)
            except TimeoutError:
                return
            self.ended = event["type"] != "http.request" or not event.get("more_body", False)
            most -= len(event.get("body", b""))


class Answer:
    """The body of a response, begun with its first bytes. `size` counts what was sent."""

    def __init__(self, send: Send, body: Body, loop: asyncio.AbstractEventLoop, pacing: Pacing, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._body = body
        self._loop = loop
        self._pacing = pacing
        self._headers = headers
        self._waiting = bytearray()
        self._gone: asyncio.Task[Any] | None = None
        self.begun = False
        self.size = 0

    def write(self, data: bytes) -> None:
        """Send, sooner or later. Raises Unavailable (`disconnected`) if the peer is gone, Refused if it is slow."""
        self._waiting += data
        if len(self._waiting) >= TOGETHER:
            self._flush(more=True)

    def finish(self) -> None:
        """Send what is left, and the end."""
        self._flush(more=False)

    def _flush(self, *, more: bool) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        self._pacing.wait(self._loop, self._sent(data, more))
        self.size += len(data)
        self._pacing.count(len(data))

    async def _sent(self, data: bytes, more: bool) -> None:
        if not self.begun:
            # Where the peer still sends, it is not worth keeping the connection.
            close = [] if self._body.ended else [(b"connection", b"close")]
            await self._send({"type": "http.response.start", "status": 200, "headers": [*self._headers, *close]})
            self.begun = True
        if self._body.ended and more and self._gone is None:
            # Sending to a peer that is gone succeeds; that it is gone is the next thing to be received.
            self._gone = asyncio.ensure_future(self._body.receive())
        if self._gone is not None and self._gone.done():
            raise disconnected("the connection ended in the middle of an answer")
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def close(self) -> None:
        """Stop listening for the peer. Called in the event loop."""
        if self._gone is not None:
            self._gone.cancel()
