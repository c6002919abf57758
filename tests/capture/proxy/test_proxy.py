"""The proxy between a client and a service: every byte as it was, as soon as it is there, and the handler told."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runstore.capture.tap.handler import PASS, Call, Pairs, Reply, Turn, Watcher
from runstore.errors import InvalidInput, Refused

httpx = pytest.importorskip("httpx", reason="the proxy needs httpx")
pytest.importorskip("h11", reason="the proxy needs h11")

from runstore.capture.proxy.forwarding import Forwarder, upstream_of  # noqa: E402 - after what they need
from runstore.capture.proxy.server import Server  # noqa: E402

PATH = "/v1/chat/completions"


class Service(ThreadingHTTPServer):
    """A service that answers as it is told, and remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.go_on = threading.Event()
        self.broken = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, list(self.headers.items()), sent))
        if "stream" in self.path:
            self._stream()
        else:
            self._plain(b'{"said": "' + sent[:20] + b'"}')

    do_GET = do_DELETE = do_POST

    def _plain(self, body: bytes) -> None:
        self.send_response(201, "Made")
        for name, value in (
            ("Content-Type", "application/json"),
            ("X-Request-Id", "r1"),
            ("Keep-Alive", "timeout=5"),
            ("Set-Cookie", "a=1"),
        ):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(b"data: 1\n\n")
        self.server.go_on.wait(10)
        if "cut" in self.path:
            self.close_connection = True
            return
        try:
            for _ in range(200 if "long" in self.path else 1):
                self._chunk(b"data: 2\n\n" * 1000 if "long" in self.path else b"data: 2\n\n")
                if "long" in self.path:
                    time.sleep(0.01)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.broken.set()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


class Watching(Turn, Watcher):
    """A handler that watches one call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.head: tuple[int, Pairs] | None = None
        self.body = b""
        self.ends: list[tuple[bool, BaseException | None]] = []
        self.errors: list[BaseException] = []
        self.ended = threading.Event()

    def start(self, call: Call) -> Turn:
        self.calls.append(call)
        return self

    def answered(self, status: int, headers: Pairs) -> Watcher:
        self.head = (status, headers)
        return self

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)
        self.ended.set()

    def chunk(self, data: bytes) -> None:
        self.body += data

    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        self.ends.append((complete, error))
        self.ended.set()


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on this machine."""
    with Service() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield found
        found.go_on.set()
        found.shutdown()
        thread.join()


@contextmanager
def proxy(upstream: str, handler: Any, **options: Any) -> Iterator[str]:
    """Run a proxy in a thread; give its URL. It is stopped as the program does it, and what it leaves running is an error."""
    ready: Any = threading.Event()
    found: dict[str, Any] = {}

    async def run() -> None:
        forwarder = Forwarder(upstream_of(upstream), handler)
        server = Server(forwarder.forward, **options)
        found["port"] = await server.listen("127.0.0.1", 0)
        found["loop"], found["stop"] = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await found["stop"].wait()
        await server.stop(5)
        await forwarder.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http://127.0.0.1:{found['port']}"
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(10)
        assert not thread.is_alive()


def test_a_call_passes_through_unchanged(service: Service) -> None:
    """Method, path, query, headers and body reach the service as they were; status, headers and body come back."""
    watching = Watching()
    with proxy(service.url + "/base", watching) as url, httpx.Client() as client:
        answer = client.post(f"{url}/model/a%3A0{PATH}?x=%2F&y", content=b'{"a": 1}', headers={"Authorization": "Bearer k", "X-Title": "t"})
    method, path, headers, body = service.asked[0]
    assert (method, path, body) == ("POST", f"/base/model/a%3A0{PATH}?x=%2F&y", b'{"a": 1}')
    assert {("authorization", "Bearer k"), ("x-title", "t")} <= {(name.lower(), value) for name, value in headers}
    assert (answer.status_code, answer.content, answer.headers["x-request-id"]) == (201, b'{"said": "{"a": 1}"}', "r1")
    assert "keep-alive" not in answer.headers
    assert watching.calls[0].url == f"{service.url}/base/model/a%3A0{PATH}?x=%2F&y"
    assert watching.head is not None
    assert (watching.head[0], watching.body, watching.ends) == (201, answer.content, [(True, None)])


def test_nothing_is_added_to_the_headers(service: Service) -> None:
    """What the client did not send is not sent: no user agent, no encoding that it cannot read."""
    with proxy(service.url, Watching()) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTE: trailers\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n{}")
            assert raw.recv(65536).startswith(b"HTTP/1.1 201")
    assert {name.lower() for name, _ in service.asked[0][2]} == {"host", "content-length"}


def test_a_chunk_arrives_before_the_next_is_made(service: Service) -> None:
    """The first event of a stream is with the client while the service still waits to send the second."""
    watching = Watching()
    with proxy(service.url, watching) as url, httpx.Client() as client, client.stream("POST", f"{url}/stream{PATH}", json={}) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"data: 1\n\n"
        assert watching.ends == []
        service.go_on.set()
        assert b"".join(chunks) == b"data: 2\n\n"
    assert (watching.body, watching.ends) == (b"data: 1\n\ndata: 2\n\n", [(True, None)])


def test_a_client_that_goes_away_ends_the_call(service: Service) -> None:
    """The service is told by a closed connection, and the handler that the body is not whole."""
    watching = Watching()
    service.go_on.set()
    with proxy(service.url, watching) as url:
        with httpx.Client() as client, client.stream("POST", f"{url}/stream-long{PATH}", json={}) as response:
            next(response.iter_raw())
        assert watching.ended.wait(5)
        assert service.broken.wait(5)
    (complete, error), *more = watching.ends
    assert (complete, type(error), more) == (False, ConnectionResetError, [])


def test_a_client_that_resets_the_connection_leaves_no_noise(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """A reset is met by who reads and by who writes at once: both are heard out, and nothing is left for the loop to complain of."""
    service.go_on.set()
    asked = f"POST /stream-long{PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with proxy(service.url, Watching()) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(20):
            with socket.create_connection((host, int(port))) as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.sendall(asked)
                raw.recv(1000)
        time.sleep(0.2)
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_client_that_goes_away_before_the_answer_ends_the_call(service: Service) -> None:
    """A call that was never answered has failed, and says why."""
    waiting, watching = socket.create_server(("127.0.0.1", 0)), Watching()
    with waiting, proxy(f"http://127.0.0.1:{waiting.getsockname()[1]}", watching) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
            time.sleep(0.1)
        assert watching.ended.wait(5)
    assert [str(error) for error in watching.errors] == ["the client went away"]


def test_a_service_that_breaks_off_breaks_off_for_the_client(service: Service) -> None:
    """A stream that ends without its end is no whole answer on either side."""
    watching = Watching()
    service.go_on.set()
    with proxy(service.url, watching) as url, httpx.Client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.post(f"{url}/stream-cut{PATH}", json={})
    assert watching.ends[0][0] is False


def test_a_service_that_is_not_there_is_a_502() -> None:
    """The client gets a reason in JSON, the handler the error."""
    watching = Watching()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with proxy(f"http://127.0.0.1:{port}", watching) as url, httpx.Client() as client:
        answer = client.post(url + PATH, json={})
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "proxy_error")
    assert len(watching.errors) == 1


def test_a_handler_may_answer_itself(service: Service) -> None:
    """A turn with a reply is sent as it is, chunk by chunk, and nothing reaches the service."""

    class Answering(Turn):
        reply = Reply(200, (("content-type", "text/event-stream"),), [b"data: a\n\n", b"data: b\n\n"])

        def start(self, call: Call) -> Turn:
            assert call.body == b'{"a":1}'
            return self

    with proxy(service.url, Answering()) as url, httpx.Client() as client:
        answer = client.post(url + PATH, json={"a": 1})
    assert (answer.status_code, answer.content, service.asked) == (200, b"data: a\n\ndata: b\n\n", [])


def test_a_handler_that_refuses_keeps_the_call_back(service: Service) -> None:
    """What a handler raises is an answer of 500 with the reason, and nothing is sent."""

    class Refusing:
        def start(self, call: Call) -> Turn:
            raise Refused("the call holds a secret")

    with proxy(service.url, Refusing()) as url, httpx.Client() as client:
        answer = client.post(url + PATH, json={})
    assert (answer.status_code, answer.text, service.asked) == (500, "runstore: the call holds a secret\n", [])


def test_many_calls_run_at_once_and_on_one_connection(service: Service) -> None:
    """Connections are kept, and calls do not wait for one another."""

    class Passing:
        def start(self, call: Call) -> Turn:
            return PASS

    async def run(url: str) -> list[bytes]:
        async with httpx.AsyncClient() as client:
            answers = await asyncio.gather(*(client.post(url + PATH, content=b"%d" % number) for number in range(30)))
            again = await client.get(url + "/v1/models")
            return [*(answer.content for answer in answers), again.content]

    with proxy(service.url, Passing()) as url:
        assert asyncio.run(run(url)) == [*(b'{"said": "%d"}' % number for number in range(30)), b'{"said": ""}']


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST http://other.example.org/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n" + b"x" * 99, b"413"),
    ],
)
def test_what_is_no_request_for_the_service_is_refused(service: Service, sent: bytes, status: bytes) -> None:
    """Bad requests, requests to other hosts and bodies that are too large get an answer, and nothing is passed on."""
    with proxy(service.url, Watching(), most_body=50) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(sent)
            assert raw.recv(65536).split()[1] == status
    assert service.asked == []


def test_stopping_lets_running_calls_end(service: Service) -> None:
    """A call that runs when the proxy is stopped gets its whole answer."""
    got: list[bytes] = []
    with httpx.Client() as client:
        with proxy(service.url, Watching()) as url:
            stream = client.stream("POST", f"{url}/stream{PATH}", json={})
            response = stream.__enter__()
            chunks = response.iter_raw()
            got.append(next(chunks))
            threading.Timer(0.2, service.go_on.set).start()
            reading = threading.Thread(target=lambda: got.extend(chunks))
            reading.start()
        reading.join(5)
        stream.__exit__(None, None, None)
    assert b"".join(got) == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("text", ["api.openai.com", "ftp://x", "https://user:pw@x", "https://x?key=1", "https://"])
def test_what_is_no_upstream_is_an_error(text: str) -> None:
    """An upstream is the URL of a service, without credentials."""
    with pytest.raises(InvalidInput):
        upstream_of(text)
