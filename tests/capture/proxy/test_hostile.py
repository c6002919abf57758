"""The proxy between a client and answers that mean harm: each call ends in an answer or a closed connection, and never in a traceback."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

import pytest

pytest.importorskip("httpx", reason="the proxy needs httpx")
pytest.importorskip("h11", reason="the proxy needs h11")

from runstore.capture.proxy import server
from runstore.capture.tap.handler import Call, Pairs, Reply, Turn
from tests.capture.proxy.test_proxy import PATH, proxy

NOWHERE = "http://127.0.0.1:9/base"
ASKED = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()


class Answers(Turn):
    """A handler that answers every call alike, or raises."""

    def __init__(self, status: int = 200, headers: Pairs = (("content-length", "2"),), error: Exception | None = None) -> None:
        self.calls: list[Call] = []
        self._reply = Reply(status, headers, (b"ok",))
        self._error = error

    def start(self, call: Call) -> Turn:
        self.calls.append(call)
        if self._error is not None:
            raise self._error
        return self

    @property
    def reply(self) -> Reply:
        return self._reply


def sent(url: str, data: bytes) -> bytes:
    """Return all that comes back on one connection."""
    host, port = url.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(data)
        while piece := raw.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, (("x-a", "b\r\nset-cookie: z=1"), ("content-length", "2"))),
        (200, (("x a: b", "c"), ("content-length", "2"))),
        (200, (("x-a", "\u4e2d"), ("content-length", "2"))),
        (200, (("content-length", "5"), ("content-length", "2"))),
        (99, (("content-length", "2"),)),
        (1000, (("content-length", "2"),)),
    ],
    ids=["line breaks", "a name", "no latin-1", "two lengths", "low status", "high status"],
)
def test_an_answer_that_is_no_http(status: int, headers: Pairs, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written as it is becomes a 502 that says why; nothing of it reaches the client as a header."""
    caplog.set_level(logging.ERROR)
    with proxy(NOWHERE, Answers(status, headers)) as url:
        got = sent(url, ASKED)
    assert got.startswith(b"HTTP/1.1 502 ")
    assert b"set-cookie" not in got.partition(b"\r\n\r\n")[0]
    assert not caplog.records


def test_an_error_in_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    """The client is told, and no traceback is printed."""
    caplog.set_level(logging.ERROR)
    with proxy(NOWHERE, Answers(error=KeyError("x"))) as url:
        assert sent(url, ASKED).startswith(b"HTTP/1.1 500 ")
    assert not caplog.records


def test_a_body_longer_than_its_length(caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends with what was promised: nothing can be taken for a second answer."""
    caplog.set_level(logging.ERROR)
    with proxy(NOWHERE, Answers(headers=(("content-length", "1"),))) as url:
        assert sent(url, ASKED).partition(b"\r\n\r\n")[2] == b""
    assert not caplog.records


def test_a_head_request_has_no_body() -> None:
    """The answer to HEAD is its head, whatever the handler gives, and the connection goes on."""
    head = f"HEAD {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with proxy(NOWHERE, Answers()) as url:
        assert sent(url, head + ASKED).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "asked",
    [
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
        "GET /../admin HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/./x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1#x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://elsewhere/v1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["length and encoding", "two lengths", "out of the base", "a dot", "fragment", "absolute"],
)
def test_a_request_that_two_read_differently(asked: str) -> None:
    """What a service could read otherwise than the proxy is refused, and what follows it on the connection is not read."""
    answers = Answers()
    with proxy(NOWHERE, answers) as url:
        got = sent(url, asked.encode())
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert answers.calls == []


def test_a_client_that_sends_on_and_on() -> None:
    """What a client sends while its call runs is kept within bounds: then the call ends, and so does the connection."""
    waiting = threading.Event()

    class Slow(Turn):
        def start(self, call: Call) -> Turn:
            return self

        @property
        def reply(self) -> Any:
            def chunks() -> Any:
                waiting.set()
                yield b"x" * (64 << 20)  # more than the connection takes in one go

            return Reply(200, (("content-length", str(64 << 20)),), chunks())

    with proxy(NOWHERE, Slow()) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(ASKED.replace(b"close", b"keep-alive"))
            assert waiting.wait(5)
            with pytest.raises(ConnectionError):
                _talk(raw, 4 * server._MOST_AHEAD)


def _talk(raw: socket.socket, size: int) -> None:
    """Send many bytes, then read to the end."""
    for _ in range(size // 65536):
        raw.sendall(b"x" * 65536)
    while raw.recv(1 << 20):
        pass
