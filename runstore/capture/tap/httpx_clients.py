"""The tap on `httpx` and on `httpx2`, which have the same shape: `_send_single_request` of their two clients, and transports.

A program's request and response objects stay its own; only the response's stream is wrapped, in one that passes each chunk on unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from runstore.capture.tap.active import active
from runstore.capture.tap.handler import PASS, Call, Handler, Pairs, Reply, Turn, Watcher

MODULES = ("httpx", "httpx2")
METHOD = "_send_single_request"
SEEN = "runstore.seen"
"""Stands in a request's extensions while it is sent by a handler's leave: what of ours is below, a recording transport or the tap itself
where somebody has patched between, lets it pass."""


def patch(module: ModuleType) -> list[tuple[type, str]]:
    """Tap the clients of a module; return what was patched. A client that is tapped already is left alone."""
    done = []
    for name, wrap in (("Client", _tapped), ("AsyncClient", _tapped_async)):
        client = getattr(module, name, None)
        original = getattr(client, METHOD, None)
        if client is None or original is None or hasattr(original, "__runstore__"):
            continue
        wrapped = wrap(streams(module), original)
        wrapped.__runstore__ = (wrapped, original)
        setattr(client, METHOD, wrapped)
        done.append((client, METHOD))
    return done


def restore(owner: type, method: str) -> bool:
    """Undo a patch, unless somebody else has patched over it: then ours stays below and lets everything pass. True if it was undone."""
    found = owner.__dict__.get(method)
    ours, original = getattr(found, "__runstore__", (None, None))
    if found is None or ours is not found:  # whoever wraps a function copies its attributes
        return False
    setattr(owner, method, original)
    return True


def _tapped(made: SimpleNamespace, original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def _send_single_request(self: Any, request: Any) -> Any:
        handler = active()
        if handler is None or SEEN in request.extensions:
            return original(self, request)
        return through(handler, made, request, lambda: original(self, request), self)

    return _send_single_request


def _tapped_async(made: SimpleNamespace, original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    async def _send_single_request(self: Any, request: Any) -> Any:
        handler = active()
        if handler is None or SEEN in request.extensions:
            return await original(self, request)
        return await through_async(handler, made, request, lambda: original(self, request), self)

    return _send_single_request


def through(handler: Handler, made: SimpleNamespace, request: Any, send: Callable[[], Any], client: Any = None) -> Any:
    """Give a request to a handler: send it and let the handler watch, or return the handler's reply."""
    call, turn = _begin(handler, request)
    if turn is PASS:
        with _seen(request):
            return send()
    if turn.reply is not None:
        return _replied(made, turn.reply, request, client, asynchronous=False)
    stream = request.stream
    if call.body is None:
        request.stream = made.Sent(stream, call)
    try:
        with _seen(request):
            response = send()
    except BaseException as error:
        turn.failed(error)
        raise
    finally:
        request.stream = stream
    _watch(made, turn, response, made.Watched)
    return response


async def through_async(
    handler: Handler, made: SimpleNamespace, request: Any, send: Callable[[], Awaitable[Any]], client: Any = None
) -> Any:
    """As `through`, for clients that await."""
    call, turn = _begin(handler, request)
    if turn is PASS:
        with _seen(request):
            return await send()
    if turn.reply is not None:
        return _replied(made, turn.reply, request, client, asynchronous=True)
    stream = request.stream
    if call.body is None:
        request.stream = made.SentAsync(stream, call)
    try:
        with _seen(request):
            response = await send()
    except BaseException as error:
        turn.failed(error)
        raise
    finally:
        request.stream = stream
    _watch(made, turn, response, made.WatchedAsync)
    return response


def _begin(handler: Handler, request: Any) -> tuple[Call, Turn]:
    content = request.__dict__.get("_content")
    call = Call(request.method, str(request.url), _pairs(request.headers), content if isinstance(content, bytes) else None)
    return call, handler.start(call)


class _seen:
    """Marks a request while it is sent."""

    __slots__ = ("_extensions",)

    def __init__(self, request: Any) -> None:
        self._extensions = request.extensions

    def __enter__(self) -> None:
        self._extensions[SEEN] = True

    def __exit__(self, *_: object) -> None:
        self._extensions.pop(SEEN, None)


def _pairs(headers: Any) -> Pairs:
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw])


def _watch(made: SimpleNamespace, turn: Turn, response: Any, wrap: Callable[[Any, Watcher], Any]) -> None:
    watcher = turn.answered(response.status_code, _pairs(response.headers))
    if watcher is None:
        return
    if "_content" not in response.__dict__:
        response.stream = wrap(response.stream, watcher)
        return
    # A transport that made the whole response: nothing will be read from its stream any more.
    inner = getattr(response.stream, "_stream", response.stream)
    watcher.chunk(b"".join(inner) if isinstance(inner, made.ByteStream) else response.content)
    watcher.end(complete=True)


def _replied(made: SimpleNamespace, reply: Reply, request: Any, client: Any, *, asynchronous: bool) -> Any:
    stream = (made.ToldAsync if asynchronous else made.Told)(reply.chunks)
    response = made.Response(reply.status, headers=list(reply.headers), stream=stream, request=request)
    if client is not None:
        response.default_encoding = client._default_encoding
    return response


@functools.cache
def streams(module: ModuleType) -> SimpleNamespace:
    """Make the stream classes for a module: it takes only streams that are its own kind."""
    base: Any = module.SyncByteStream
    base_async: Any = module.AsyncByteStream

    class Watched(base):  # type: ignore[misc]
        """A response's body that somebody watches."""

        def __init__(self, inner: Any, watcher: Watcher) -> None:
            self._inner, self._watcher = inner, watcher

        def __iter__(self) -> Iterator[bytes]:
            watcher = self._watcher
            tell = watcher.chunk
            try:
                for chunk in self._inner:
                    tell(chunk)
                    yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                watcher.end(complete=False, error=error)
                raise
            watcher.end(complete=True)

        def close(self) -> None:
            try:
                self._inner.close()
            finally:
                self._watcher.end(complete=False)

        def __del__(self) -> None:
            self._watcher.end(complete=False)

    class WatchedAsync(base_async):  # type: ignore[misc]
        """As Watched, for clients that await."""

        def __init__(self, inner: Any, watcher: Watcher) -> None:
            self._inner, self._watcher = inner, watcher

        async def __aiter__(self) -> AsyncIterator[bytes]:
            watcher = self._watcher
            tell = watcher.chunk
            try:
                async for chunk in self._inner:
                    tell(chunk)
                    yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                watcher.end(complete=False, error=error)
                raise
            watcher.end(complete=True)

        async def aclose(self) -> None:
            try:
                await self._inner.aclose()
            finally:
                self._watcher.end(complete=False)

        def __del__(self) -> None:
            self._watcher.end(complete=False)

    class Sent(base):  # type: ignore[misc]
        """A request's body that is known once it was sent."""

        def __init__(self, inner: Any, call: Call) -> None:
            self._inner, self._call = inner, call

        def __iter__(self) -> Iterator[bytes]:
            seen = []
            for chunk in self._inner:
                seen.append(chunk)
                yield chunk
            self._call.body = b"".join(seen)

        def close(self) -> None:
            self._inner.close()

    class SentAsync(base_async):  # type: ignore[misc]
        """As Sent, for clients that await."""

        def __init__(self, inner: Any, call: Call) -> None:
            self._inner, self._call = inner, call

        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = []
            async for chunk in self._inner:
                seen.append(chunk)
                yield chunk
            self._call.body = b"".join(seen)

        async def aclose(self) -> None:
            await self._inner.aclose()

    class Told(base):  # type: ignore[misc]
        """The body of a reply."""

        def __init__(self, chunks: Any) -> None:
            self._chunks = chunks

        def __iter__(self) -> Iterator[bytes]:
            yield from self._chunks

    class ToldAsync(base_async):  # type: ignore[misc]
        """As Told, for clients that await."""

        def __init__(self, chunks: Any) -> None:
            self._chunks = chunks

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self._chunks:
                yield chunk

    return SimpleNamespace(
        Watched=Watched,
        WatchedAsync=WatchedAsync,
        Sent=Sent,
        SentAsync=SentAsync,
        Told=Told,
        ToldAsync=ToldAsync,
        Response=module.Response,
        ByteStream=module.ByteStream,
    )
