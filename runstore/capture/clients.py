"""Clients that record, for programs that hand one over: `OpenAI(http_client=runstore.client())`. Needs `httpx` or `httpx2`.

Nothing is patched: the transport records what goes through it, and lets pass what the tap sees anyway.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runstore.capture.instrumenting import Recording, redactor, store_directory
from runstore.capture.recorder import Options, Recorder
from runstore.capture.tap.active import active
from runstore.capture.tap.handler import Handler
from runstore.capture.tap.httpx_clients import SEEN, streams, through, through_async
from runstore.errors import InvalidInput
from runstore.store.directory import is_store

if TYPE_CHECKING:
    from runstore.capture.assemble import Redact


def client(store: str | os.PathLike[str] | None = None, *, library: str = "httpx", transport: Any = None, **options: Any) -> Any:
    """Return an `httpx.Client` whose calls are recorded. See `transport` for the options of recording; others are the client's."""
    module = _module(library)
    return module.Client(transport=recording_transport(store, library=library, transport=transport, **_taken(options)), **options)


def async_client(store: str | os.PathLike[str] | None = None, *, library: str = "httpx", transport: Any = None, **options: Any) -> Any:
    """Return an `httpx.AsyncClient` whose calls are recorded; see `client`."""
    module = _module(library)
    made = recording_transport(store, library=library, transport=transport, asynchronous=True, **_taken(options))
    return module.AsyncClient(transport=made, **options)


def recording_transport(
    store: str | os.PathLike[str] | None = None,
    *,
    library: str = "httpx",
    transport: Any = None,
    asynchronous: bool = False,
    ref: str | None = None,
    session: str | None = None,
    mode: str = "spool",
    on_error: str = "count",
    redact: Redact | str | None = None,
) -> Any:
    """Return a transport that records what it passes to `transport`, by default a new one of the library (`httpx` or `httpx2`).

    The store is made if it is not there. Closing the transport drains the journal. Raises InvalidInput if the library is not installed.
    """
    module = _module(library)
    place = store_directory(store)
    if not is_store(place):
        from runstore.opening import open_repo

        open_repo(place, create=True).close()
    label = {name: item for name, item in (("ref", ref), ("session", session)) if item}
    recording = Recording(Options(place, mode, on_error, label, redactor(place, redact)), background=True)
    inner = transport or (module.AsyncHTTPTransport() if asynchronous else module.HTTPTransport())
    return _made(module, asynchronous=asynchronous)(inner, recording)


def _made(module: Any, *, asynchronous: bool) -> Any:
    base: Any = module.AsyncBaseTransport if asynchronous else module.BaseTransport
    wrapped = streams(module)

    class RecordingTransport(base):  # type: ignore[misc]
        """Records, and passes on."""

        def __init__(self, inner: Any, recording: Recording) -> None:
            self._inner = inner
            self._recording = recording

        def handle_request(self, request: Any) -> Any:
            """Send a request and record it."""
            if SEEN in request.extensions:
                return self._inner.handle_request(request)
            return through(self._handler(), wrapped, request, lambda: self._inner.handle_request(request))

        async def handle_async_request(self, request: Any) -> Any:
            """As `handle_request`, for clients that await."""
            if SEEN in request.extensions:
                return await self._inner.handle_async_request(request)
            return await through_async(self._handler(), wrapped, request, lambda: self._inner.handle_async_request(request))

        def _handler(self) -> Handler:
            """Who answers in this process does so here, too, where no client that is tapped is above; else this records."""
            found = active()
            recorder: Handler = self._recording.recorder
            return recorder if found is None or isinstance(found, Recorder) else found

        def close(self) -> None:
            """Close, and drain the journal."""
            self._inner.close()
            self._recording.close()

        async def aclose(self) -> None:
            """As `close`."""
            await self._inner.aclose()
            self._recording.close()

    return RecordingTransport


_OURS = ("ref", "session", "mode", "on_error", "redact")


def _taken(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options.pop(name) for name in _OURS if name in options}


def _module(library: str) -> Any:
    if library not in ("httpx", "httpx2"):
        raise InvalidInput(f"{library!r} is no library that is known here", hint="httpx or httpx2", kind="bad-library")
    try:
        return import_module(library)
    except ImportError as error:
        raise InvalidInput(
            f"this needs {library}, which is not installed", hint=f'pip install "runstore[capture]" {library}', kind="needs-extra"
        ) from error
