"""The tap on httpx and httpx2: what is sent and read is seen, and nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest

from runstore.capture.tap import patches
from runstore.capture.tap.active import in_force
from runstore.capture.tap.handler import PASS, Call, Reply, Turn
from tests.capture.tap.watching import Watching

URL = "http://service.test/v1/chat"
REPLY = Reply(200, (("content-type", "application/json"),), [b'{"a"', b": 1}"])


class Chunks:
    """Makes the stream of a response, for either kind of client."""

    def __init__(self, module: Any, chunks: list[bytes], error: BaseException | None = None) -> None:
        class Stream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]
            closed = 0

            def __iter__(self) -> Iterator[bytes]:
                yield from chunks
                if error is not None:
                    raise error

            async def __aiter__(self) -> AsyncIterator[bytes]:
                for chunk in chunks:
                    yield chunk
                if error is not None:
                    raise error

            def close(self) -> None:
                self.closed += 1

            async def aclose(self) -> None:
                self.closed += 1

        self.stream: Any = Stream()


@pytest.fixture(params=["httpx", "httpx2"])
def module(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each of the two packages, tapped for one test."""
    found = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    patches.install()
    yield found
    patches.remove()


def client(module: Any, answer: Any, kind: str = "Client", **options: Any) -> Any:
    """A client whose transport answers with a function."""
    return getattr(module, kind)(transport=module.MockTransport(answer), **options)


def test_request_and_answer_are_seen(module: Any) -> None:
    """Method, URL, body, status and the body's bytes reach the handler."""
    watching = Watching()
    with in_force(watching), client(module, lambda request: module.Response(200, json={"a": 1})) as made:
        assert made.post(URL, json={"q": 1}).json() == {"a": 1}
    (seen,) = watching.seen
    assert (seen.call.method, seen.call.url, seen.call.body) == ("POST", URL, b'{"q":1}')
    assert (seen.status, seen.body, seen.ends) == (200, b'{"a":1}', [(True, None)])


def test_a_stream_is_seen_chunk_by_chunk(module: Any) -> None:
    """The program gets each chunk as it came, and the handler before it."""
    watching = Watching()
    chunks = Chunks(module, [b"one", b"two"])
    with (
        in_force(watching),
        client(module, lambda request: module.Response(200, stream=chunks.stream)) as made,
        made.stream("POST", URL) as response,
    ):
        for got in response.iter_raw():
            assert watching.seen[0].chunks[-1] == got
    assert watching.seen[0].chunks == [b"one", b"two"]
    assert watching.seen[0].ends[0] == (True, None)
    assert chunks.stream.closed


def test_a_program_that_stops_reading_and_closes_is_seen(module: Any) -> None:
    """Closing after the first chunk ends the watching, incomplete."""
    watching = Watching()
    chunks = Chunks(module, [b"one", b"two"])
    with (
        in_force(watching),
        client(module, lambda request: module.Response(200, stream=chunks.stream)) as made,
        made.stream("POST", URL) as response,
    ):
        next(response.iter_raw())
    assert watching.seen[0].body == b"one"
    assert watching.seen[0].ends[0] == (False, None)


def test_an_error_while_reading_reaches_both(module: Any) -> None:
    """The program gets the transport's error, and the handler is told of it."""
    watching = Watching()
    broken = Chunks(module, [b"one"], module.ReadError("gone"))
    with (
        in_force(watching),
        client(module, lambda request: module.Response(200, stream=broken.stream)) as made,
        pytest.raises(module.ReadError, match="gone"),
    ):
        made.post(URL)
    assert watching.seen[0].ends[0][0] is False
    assert isinstance(watching.seen[0].ends[0][1], module.ReadError)


def test_an_error_instead_of_an_answer_reaches_both(module: Any) -> None:
    """A connection that fails is told, and raised as it was."""

    def refuse(request: Any) -> Any:
        raise module.ConnectTimeout("slow")

    watching = Watching()
    with in_force(watching), client(module, refuse) as made, pytest.raises(module.ConnectTimeout, match="slow"):
        made.post(URL)
    assert isinstance(watching.seen[0].error, module.ConnectTimeout)


def test_each_request_of_a_redirect_is_seen(module: Any) -> None:
    """The tap lies below redirects: both requests are told."""

    def answer(request: Any) -> Any:
        return module.Response(307, headers={"location": "/v2"}) if request.url.path == "/v1/chat" else module.Response(200, json=1)

    watching = Watching()
    with in_force(watching), client(module, answer, follow_redirects=True) as made:
        made.post(URL, json={"q": 1})
    assert [(seen.status, seen.call.body) for seen in watching.seen] == [(307, b'{"q":1}'), (200, b'{"q":1}')]


def test_a_body_that_is_a_stream_is_seen_as_it_is_sent(module: Any) -> None:
    """What an iterator gives passes through unharmed, and the call has it afterwards."""
    watching = Watching()
    with in_force(watching), client(module, lambda request: module.Response(200, content=request.read())) as made:
        assert made.post(URL, content=iter([b"a", b"b"])).content == b"ab"
        assert b"name" in made.post(URL, files={"name": b"x"}).content
    assert watching.seen[0].call.body == b"ab"


def test_a_reply_is_given_and_nothing_sent(module: Any) -> None:
    """A handler can answer: the transport is not asked."""

    def never(request: Any) -> Any:
        raise AssertionError("sent")

    with in_force(Watching(REPLY)), client(module, never) as made:
        assert made.post(URL).json() == {"a": 1}
        with made.stream("POST", URL) as response:
            assert list(response.iter_raw()) == [b'{"a"', b": 1}"]


def test_clients_that_await_are_seen_and_answered(module: Any) -> None:
    """The same handler serves both kinds of client."""

    async def ask(reply: Reply | None, chunks: Chunks) -> tuple[Watching, list[bytes]]:
        watching = Watching(reply)
        with in_force(watching):
            async with (
                module.AsyncClient(transport=module.MockTransport(lambda request: module.Response(200, stream=chunks.stream))) as made,
                made.stream("POST", URL, json={"q": 1}) as response,
            ):
                return watching, [chunk async for chunk in response.aiter_raw()]

    watching, got = asyncio.run(ask(None, Chunks(module, [b"one", b"two"])))
    assert got == [b"one", b"two"]
    assert (watching.seen[0].call.body, watching.seen[0].body, watching.seen[0].ends[0]) == (b'{"q":1}', b"onetwo", (True, None))
    assert asyncio.run(ask(REPLY, Chunks(module, [])))[1] == [b'{"a"', b": 1}"]


def test_a_task_that_is_cancelled_is_seen(module: Any) -> None:
    """Cancelling while the answer is awaited is told as what it is."""

    async def wait(request: Any) -> Any:
        await asyncio.sleep(60)

    async def ask() -> None:
        async with module.AsyncClient(transport=module.MockTransport(wait)) as made:
            await asyncio.wait_for(made.post(URL), 0.01)

    watching = Watching()
    with in_force(watching), pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert isinstance(watching.seen[0].error, asyncio.CancelledError)


def test_what_passes_is_left_alone(module: Any) -> None:
    """A request that the handler lets pass has the response that its transport made."""

    class Passing:
        def start(self, call: Call) -> Turn:
            return PASS

    chunks = Chunks(module, [b"one"])
    with (
        in_force(Passing()),
        client(module, lambda request: module.Response(200, stream=chunks.stream)) as made,
        made.stream("POST", URL) as response,
    ):
        assert not hasattr(response.stream, "_watcher")


def test_taking_the_tap_off_restores_the_clients() -> None:
    """After `remove` the classes have the methods that they had."""
    module: ModuleType = pytest.importorskip("httpx", reason="httpx is not installed")
    before = module.Client._send_single_request
    assert "httpx.Client._send_single_request" in patches.install()
    assert patches.install() == patches.patched()
    assert module.Client._send_single_request is not before
    assert "httpx.Client._send_single_request" in patches.remove()
    assert module.Client._send_single_request is before
