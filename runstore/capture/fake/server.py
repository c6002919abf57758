"""The fake provider as an HTTP server on loopback: `with Provider() as provider: provider.url`.

It remembers the bytes that it received and sent, so that what was recorded can be compared with them. What a model's name contains makes
it misbehave: `error-429` and the like answer with that status, `cut` breaks off in the middle of the answer, `slow` waits between chunks,
`gzip` compresses.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from runstore.capture.codecs import codec_for
from runstore.capture.fake.answers import CREATED, Reply, answer, echo
from runstore.capture.fake.streams import stream

_STATUS = re.compile(r"error-(\d{3})")
_OTHERS = re.compile(r"mistral|magistral|codestral")


class Served(NamedTuple):
    """One exchange, as the provider saw it: `received` and `sent` are the bodies, the second without its compression."""

    path: str
    received: bytes
    status: int
    sent: bytes


class Provider:
    """The server. It begins when it is entered, on a free port, and ends when it is left. `served` grows with each exchange."""

    def __init__(self, reply: Reply = echo, *, pause: float = 0.0) -> None:
        """`reply` says what is answered to a request; `pause` seconds pass before each chunk of a stream."""
        self.served: list[Served] = []
        self.reply = reply
        self.pause = pause
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, provider: Provider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Answer one call."""
        received = self.rfile.read(int(self.headers.get("content-length") or 0)) if "content-length" in self.headers else self._chunked()
        codec = codec_for(self.server.provider.url + self.path, "POST", self.headers.items())
        try:
            body = json.loads(received or b"{}")
        except ValueError:
            self._whole(received, 400, {"error": {"message": "the body is no JSON", "type": "invalid_request_error"}}, "")
            return
        if codec is None:
            self._whole(received, 404, {"error": {"message": f"nothing is at {self.path}", "type": "not_found"}}, "")
            return
        named = re.search(r"/models?/([^/:]+)", self.path)
        model = str(body.get("model") or (named[1] if named else "fake"))
        api = "mistral.chat" if codec.name == "openai.chat" and _OTHERS.search(model) else codec.name
        failed = _STATUS.search(model)
        if failed:
            self._whole(received, int(failed[1]), {"error": {"message": "as asked", "type": "fake_error"}}, model)
            return
        made = answer(api, model, body, self.server.provider.reply)
        if _is_streamed(self.path, api, body):
            self._stream(received, *stream(api, made, body, array="alt=sse" not in self.path), model)
        else:
            self._whole(received, 200, made, model)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the one date that all answers have: what is answered is a function of the request alone."""
        return super().date_time_string(CREATED)

    def _whole(self, received: bytes, status: int, body: Any, model: str) -> None:
        sent = data = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("x-request-id", "fake-request")
        if "gzip" in model:
            data = gzip.compress(data, mtime=0)
            self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(data)))
        self._remember(received, status, sent)
        self.end_headers()
        if "cut" in model:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _stream(self, received: bytes, kind: str, chunks: list[bytes], model: str) -> None:
        provider = self.server.provider
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("x-request-id", "fake-request")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        pause = provider.pause or (0.05 if "slow" in model else 0.0)
        told = chunks[: max(1, len(chunks) // 2)] if "cut" in model else chunks
        self._remember(received, 200, b"".join(told))
        for chunk in told:
            if pause:
                time.sleep(pause)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if "cut" in model:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _remember(self, received: bytes, status: int, sent: bytes) -> None:
        self.server.provider.served.append(Served(self.path, received, status, sent))


def _is_streamed(path: str, api: str, body: dict[str, Any]) -> bool:
    if api.startswith("ollama"):
        return bool(body.get("stream", True))
    return bool(body.get("stream")) or ":stream" in path or path.endswith("-stream")
