"""The ASGI app: who may call what, and the way from a request to the endpoint of a store and back.

    POST /NAME     a call to the store NAME (docs/spec/protocol.md, "Over HTTP")
    GET  /NAME     how to clone it, for people
    GET  /healthz  whether the server runs; the one thing that needs no token
    GET  /metrics  figures, for tokens with the right admin

Everything is denied unless it is granted, and what is denied looks like what is not there: a caller learns neither of stores that he
may not read nor, inside one, of objects that his refs do not reach.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runstore.errors import RunstoreError
from runstore.serve import metrics
from runstore.serve.gate import HEAD_BYTES, Refusal, bearer, refusal
from runstore.serve.grants import Granted
from runstore.serve.journal import Journal
from runstore.serve.pace import Rate
from runstore.serve.settings import Settings
from runstore.serve.stores import Served
from runstore.serve.streams import Answer, Body, Pacing
from runstore.serve.tokens import Token, TokenFile
from runstore.sync.endpoint import Endpoint
from runstore.sync.http import CONTENT_TYPE
from runstore.sync.messages import END, error_message, read_call, to_bytes

_DRAINED_BYTES, _DRAINED_SECONDS = 64 << 20, 10.0
_HEADERS = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def build(settings: Settings) -> Starlette:
    """Return the app for these settings. It opens the stores when it starts, and closes them when it ends."""
    server = Server(settings, Journal(sys.stderr, settings.now))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        server.open()
        try:
            yield
        finally:
            server.close()

    routes = [
        Route("/healthz", server.health, methods=["GET"]),
        Route("/metrics", server.figures, methods=["GET"]),
        Route("/{name}", server.page, methods=["GET"]),
        Route("/{name}", Calls(server), methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False  # a redirect would name the host that the caller claims to call
    app.add_middleware(Guard, server=server)
    return app


class Server:
    """What all requests share."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self.metrics = metrics.Metrics()
        self.rate = Rate(settings.pace.rate, time.monotonic)
        self.strangers = Rate(max(settings.pace.rate // 10, 1), time.monotonic)
        self.stores: Mapping[str, Served] = {}
        self._tokens = TokenFile(settings.tokens)
        self._threads: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Open the stores."""
        self.stores = {name: Served(name, directory, self.settings) for name, directory in self.settings.stores}
        self._threads = ThreadPoolExecutor(self.settings.pace.calls, "call")

    def close(self) -> None:
        """Close the stores, after the calls that run."""
        if self._threads is not None:
            self._threads.shutdown()
        for store in self.stores.values():
            store.close()
        self.stores = {}

    def who(self, secret: str | None) -> Token | None:
        """Return the token of a caller. Raises RunstoreError if the file of tokens cannot be read: then nobody has a right."""
        return self._tokens.current().find(secret, now=self.settings.now())

    def store(self, name: str, token: Token) -> tuple[Served, Granted]:
        """Return a store in which a token has rights, and the rights. Raises Refusal (404) where it has none or there is no such store."""
        served, rights = self.stores.get(name), token.rights(name)
        if served is None or not rights:
            raise Refusal(404, "there is no such store for this token")
        return served, rights

    async def run(self, endpoint: Endpoint, body: Body, answer: Answer) -> tuple[str, str]:
        """Answer one call in a thread; return what it asked for and what became of it."""
        loop = asyncio.get_running_loop()
        self.metrics.running += 1
        try:
            return await loop.run_in_executor(self._threads, _carry_out, endpoint, body, answer, self.settings.limits.frame)
        finally:
            self.metrics.running -= 1

    # --- pages for people and machines -------------------------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        """Say that the server runs."""
        return PlainTextResponse("ok\n")

    async def figures(self, request: Request) -> Response:
        """Give the figures of the stores whose administrator calls."""
        token: Token = request.state.token
        admin = {name: token.rights(name).is_admin for name in self.stores}
        if not any(admin.values()):
            raise Refusal(404, "there is no such store for this token")
        text = self.metrics.render(lambda name: admin.get(name, False), everything=all(admin.values()))
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})

    async def page(self, request: Request) -> Response:
        """Say how the store at this URL is reached."""
        name = request.path_params["name"]
        self.store(name, request.state.token)
        return PlainTextResponse(f"a store of runs: runstore clone {request.url.replace(query='')}\n")


class Calls:
    """The route for calls."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check what can be checked before the body is read, then let the endpoint answer."""
        server, name, token = self._server, scope["path_params"]["name"], scope["state"]["token"]
        store, rights = server.store(name, token)
        headers = dict(scope["headers"])
        if headers.get(b"content-type") != CONTENT_TYPE.encode():
            raise Refusal(415, f"a call has the content type {CONTENT_TYPE}")
        if server.metrics.running >= server.settings.pace.calls:
            raise Refusal(503, f"the server answers {server.settings.pace.calls} calls already", retry=1)
        loop = asyncio.get_running_loop()
        pacing = Pacing(server.settings.pace.idle)
        body = Body(receive, loop, pacing)
        answer = Answer(send, body, loop, pacing, _HEADERS)
        begun = time.monotonic()
        call, result = await server.run(store.endpoint(token, rights), body, answer)
        answer.close()
        seconds = time.monotonic() - begun
        server.metrics.call(name, call, result, seconds, body.size, answer.size)
        scope["state"]["told"] = {"call": call, "result": result, "seconds": seconds, "received": body.size, "sent": answer.size}
        if result != "cut":
            await body.drain(_DRAINED_BYTES, _DRAINED_SECONDS)


def _carry_out(endpoint: Endpoint, body: Body, answer: Answer, largest: int) -> tuple[str, str]:
    """Read a call, write its answer. Return the call's name and `ok`, the kind of an error, or `cut`."""
    name, result = "none", "ok"

    def noted() -> Any:
        nonlocal name
        for message in read_call(body, most_payload=largest + (1 << 20)):
            if name == "none":
                name = message.name if message.name in _CALLS else "other"
            yield message

    try:
        with closing(endpoint.answer(noted())) as messages:
            for message in messages:
                if message.name == "error":
                    result = str(message.fields.get("kind"))
                answer.write(to_bytes(message))
        answer.write(END)
        answer.finish()
    except RunstoreError as error:
        if error.kind != "disconnected" and not answer.begun:
            answer.write(to_bytes(error_message(error)) + END)
            answer.finish()
        return name, "cut" if error.kind == "disconnected" else error.kind
    return name, result


_CALLS = frozenset(("hello", "has", "get", "want", "have", "skip", "push", "resume"))


class Guard:
    """Stands before every route: asks for a token, counts, limits and logs. What is not let through here reaches nothing."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        status = 0

        async def noted(event: Any) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        begun = time.monotonic()
        try:
            if scope["path"] != "/healthz":
                self._let_in(scope)
            await self._app(scope, receive, noted)
        except Refusal as told:
            self._server.metrics.refused(told.status)
            await refusal(told)(scope, receive, noted)
        except Exception:  # noqa: BLE001 - the border: a fault in one request is logged, and ends no other
            traceback.print_exc(file=sys.stderr)
            if not status:
                await refusal(Refusal(500, "a fault of the server; its log says more"))(scope, receive, noted)
        self._log(scope, status, time.monotonic() - begun)

    def _let_in(self, scope: Scope) -> None:
        """Find who calls, and whether he may now. Raises Refusal."""
        server, address = self._server, (scope.get("client") or ("-",))[0]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_BYTES:
            raise Refusal(431, f"the head of a request has at most {HEAD_BYTES:,} bytes")
        try:
            token = server.who(bearer(scope["headers"]))
        except RunstoreError as error:
            server.journal.write(error=str(error))
            raise Refusal(503, "the server cannot tell who may call it; its log says more", retry=30) from error
        stranger = token is None or token.digest is None
        wait = (server.strangers if stranger else server.rate).wait(address if stranger or token is None else token.name)
        if wait:
            raise Refusal(429, "too many calls; come back later", retry=wait)
        if token is None:
            raise Refusal(401, "a token is needed that the server knows")
        scope["state"]["token"] = token

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        told: dict[str, Any] = {"seconds": seconds, **scope["state"].get("told", {})}
        name = scope.get("path_params", {}).get("name")
        token = scope["state"].get("token")
        self._server.journal.write(
            address=(scope.get("client") or ("-",))[0],
            method=scope["method"],
            store=name if name in self._server.stores else None,
            token=None if token is None else token.name,
            status=status or "none",
            **told,
        )
