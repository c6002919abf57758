"""The tap on `botocore`: `URLLib3Session.send`, below signing and retries. What is read of a stream is read from the response's `raw`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from runstore.capture.tap.active import active
from runstore.capture.tap.handler import PASS, Call, Pairs, Reply, Turn, Watcher

MODULES = ("botocore.httpsession",)
METHOD = "send"
_sending = threading.local()


def patch(module: ModuleType) -> list[tuple[type, str]]:
    """Tap the sessions of a module; return what was patched."""
    session = getattr(module, "URLLib3Session", None)
    original = getattr(session, METHOD, None)
    if session is None or original is None or hasattr(original, "__runstore__"):
        return []
    wrapped = _tapped(original)
    wrapped.__runstore__ = (wrapped, original)
    setattr(session, METHOD, wrapped)
    return [(session, METHOD)]


def _tapped(original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def send(self: Any, request: Any) -> Any:
        handler = active()
        if handler is None or getattr(_sending, "request", None) is request:  # seen above somebody's patch between
            return original(self, request)
        call = Call(request.method, request.url, _pairs(request.headers), _body(request.body))
        turn = handler.start(call)
        if turn is PASS:
            return _sent(original, self, request)
        if turn.reply is not None:
            return _replied(turn.reply, request)
        try:
            response = _sent(original, self, request)
        except BaseException as error:
            turn.failed(error)
            raise
        _watch(turn, response, streamed=bool(request.stream_output))
        return response

    return send


def _sent(original: Callable[..., Any], session: Any, request: Any) -> Any:
    _sending.request = request
    try:
        return original(session, request)
    finally:
        _sending.request = None


def _watch(turn: Turn, response: Any, *, streamed: bool) -> None:
    watcher = turn.answered(response.status_code, _pairs(response.headers))
    if watcher is None:
        return
    if streamed:
        response.raw = Watched(response.raw, watcher)
    else:
        watcher.chunk(response.content)
        watcher.end(complete=True)


def _pairs(headers: Any) -> Pairs:
    return tuple([(name, value.decode("latin-1") if isinstance(value, bytes) else str(value)) for name, value in headers.items()])


def _body(body: Any) -> bytes | None:
    """Return a request's body; None for a stream, which passes through unseen: no API that is recorded sends one."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode("utf-8")
    return bytes(body) if isinstance(body, bytes | bytearray) else None


class Watched:
    """The raw response of urllib3, watched. Everything else is the response's own."""

    def __init__(self, inner: Any, watcher: Watcher) -> None:
        self._inner = inner
        self._watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, amt: int | None = None, *args: Any, **options: Any) -> bytes:
        """Read as the response does."""
        data: bytes = self._told(lambda: self._inner.read(amt, *args, **options))
        if not data and amt != 0:
            self._watcher.end(complete=True)
        elif amt is None:
            self._watcher.chunk(data)
            self._watcher.end(complete=True)
        else:
            self._watcher.chunk(data)
        return data

    def stream(self, *args: Any, **options: Any) -> Iterator[bytes]:
        """Yield chunks as the response does."""
        chunks = iter(self._inner.stream(*args, **options))
        while True:
            chunk = self._told(lambda: next(chunks, None))
            if chunk is None:
                break
            self._watcher.chunk(chunk)
            yield chunk
        self._watcher.end(complete=True)

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def close(self) -> None:
        """Close the response."""
        try:
            self._inner.close()
        finally:
            self._watcher.end(complete=False)

    def release_conn(self) -> None:
        """Give the connection back."""
        try:
            self._inner.release_conn()
        finally:
            self._watcher.end(complete=False)

    def __del__(self) -> None:
        self._watcher.end(complete=False)

    def _told(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except BaseException as error:
            self._watcher.end(complete=False, error=error)
            raise


class _Raw:
    """A reply as botocore reads a response of urllib3."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, amt: int | None = None, **_: Any) -> bytes:
        """Return `amt` bytes, or all."""
        while amt is None or len(self._left) < amt:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._left += chunk
        found = self._left if amt is None else self._left[:amt]
        self._left = self._left[len(found) :]
        return found

    def stream(self, amt: int = 1 << 16, **_: Any) -> Iterator[bytes]:
        """Yield the chunks."""
        if self._left:
            yield self.read(len(self._left))
        yield from self._chunks

    def close(self) -> None:
        """There is nothing to close."""

    def release_conn(self) -> None:
        """There is no connection."""


def _replied(reply: Reply, request: Any) -> Any:
    from botocore.awsrequest import AWSResponse, HeadersDict

    headers = HeadersDict()
    for name, value in reply.headers:
        headers[name] = value
    response = AWSResponse(request.url, reply.status, headers, _Raw(reply.chunks))
    if not request.stream_output:
        response.content  # noqa: B018 - read at once, as botocore does
    return response
