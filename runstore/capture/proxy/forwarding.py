"""Forwarding one call: to the upstream, and its answer back chunk by chunk as it arrives, byte for byte.

The handler is asked first: a turn with a reply is answered with it, and nothing is sent. Headers that belong to one connection are not
passed on (RFC 9110, 7.6.1), and `X-Runstore-…` headers are for us.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

import httpx

from runstore.capture.tap.handler import Call, Handler, Pairs, Turn, Watcher
from runstore.errors import InvalidInput

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

CONNECT_SECONDS = 30.0
_OWN = "x-runstore-"
_LABELS = ("ref", "session", "scope")
_HOP = frozenset((
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "transfer-encoding", "upgrade",
))  # fmt: skip


class Asked(NamedTuple):
    """A request as a client sent it: `target` is path and query, as they were written."""

    method: str
    target: str
    headers: Pairs
    body: bytes


class Answering(Protocol):
    """What takes an answer to a client. Raises ConnectionError if the client is gone."""

    async def head(self, status: int, headers: Pairs) -> None:
        """Send status and headers."""
        ...

    async def chunk(self, data: bytes) -> None:
        """Send some bytes of the body, now."""
        ...


Labelled = Callable[[dict[str, str]], "AbstractContextManager[object]"]


class Upstream(NamedTuple):
    """The service that answers: scheme and host, and the path before that of each request."""

    url: httpx.URL

    def of(self, target: str) -> httpx.URL:
        """Return the URL of a request, path and query as the client wrote them."""
        return self.url.copy_with(raw_path=self.url.raw_path.rstrip(b"/") + target.encode("ascii", "replace"))


def upstream_of(text: str) -> Upstream:
    """Read the URL of an upstream. Raises InvalidInput for what is no URL of a service, or holds a password or a query."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"{text[:120]!r} is no URL: {error}", kind="bad-url") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise InvalidInput(f"{text[:120]!r} is no URL of a service", hint="for example https://api.openai.com", kind="bad-url")
    return Upstream(url)


Forward = Callable[[Asked, Answering], Awaitable[None]]


class Forwarder:
    """Passes calls on to one upstream, and shows them to a handler. A context manager in an event loop."""

    def __init__(self, upstream: Upstream, handler: Handler, *, labelled: Labelled | None = None) -> None:
        """`labelled` puts the labels that a request names in its headers around the handler's start."""
        self._upstream = upstream
        self._handler = handler
        self._labelled = labelled or (lambda labels: nullcontext())
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections to the upstream."""
        await self._client.aclose()

    async def forward(self, asked: Asked, answering: Answering) -> None:
        """Answer one request. What the upstream fails in becomes a 502; a client that goes away ends the call there."""
        url = self._upstream.of(asked.target)
        named = {name.lower(): value for name, value in asked.headers if name.lower().startswith(_OWN)}
        labels = {label: named[_OWN + label] for label in _LABELS if _OWN + label in named}
        headers = tuple(pair for pair in passed_on(asked.headers) if pair[0].lower() not in ("host", "content-length", *named))
        with self._labelled(labels):
            turn = self._handler.start(Call(asked.method, str(url), headers, asked.body))
        reply = turn.reply
        if reply is not None:
            await _answer(answering, reply.status, reply.headers, _each(reply.chunks), None)
            return
        request = httpx.Request(asked.method, url, headers=list(headers), content=asked.body if asked.body or _has_length(asked) else None)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            turn.failed(error)
            await _failed(answering, error)
            return
        except BaseException as error:
            turn.failed(_gone(error))
            raise
        try:
            told = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
            await _answer(answering, response.status_code, told, response.aiter_raw(), turn)
        finally:
            await response.aclose()


def passed_on(headers: Pairs) -> Pairs:
    """Return the headers that are not those of one connection alone."""
    named = {name.strip().lower() for key, value in headers if key.lower() == "connection" for name in value.split(",")}
    return tuple(pair for pair in headers if pair[0].lower() not in _HOP | named)


async def _answer(answering: Answering, status: int, headers: Pairs, chunks: AsyncIterator[bytes], turn: Turn | None) -> None:
    """Take an answer to the client as it comes. A watcher is told each chunk before the client gets it, and how the body ended."""
    watcher: Watcher | None = turn.answered(status, headers) if turn is not None else None
    try:
        await answering.head(status, passed_on(headers))
        async for data in chunks:
            if watcher is not None:
                watcher.chunk(data)
            await answering.chunk(data)
    except httpx.HTTPError as error:
        if watcher is not None:
            watcher.end(complete=False, error=error)
        raise ConnectionAbortedError(f"the upstream broke off: {error}") from error
    except BaseException as error:
        if watcher is not None:
            watcher.end(complete=False, error=_gone(error))
        raise
    if watcher is not None:
        watcher.end(complete=True)


def _gone(error: BaseException) -> BaseException:
    """Return what ended a call as its record should say it: a client that goes away cancels the call."""
    return ConnectionResetError("the client went away") if type(error).__name__ == "CancelledError" else error


async def _failed(answering: Answering, error: Exception) -> None:
    import json

    said = {"error": {"type": "proxy_error", "message": f"the upstream gave no answer: {type(error).__name__}: {error}"}}
    body = json.dumps(said).encode()
    await answering.head(502, (("content-type", "application/json"), ("content-length", str(len(body)))))
    await answering.chunk(body)


async def _each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _has_length(asked: Asked) -> bool:
    return any(name.lower() in ("content-length", "transfer-encoding") for name, _ in asked.headers)
