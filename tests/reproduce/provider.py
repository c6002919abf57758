"""A provider on the loopback with a small deterministic model: what it answers is a function of the request, but for heat.

At temperature 0 the same request has the same answer; above, answers take turns. It speaks chat completions, in one piece and streamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.reproduce.calls import completion

Model = Callable[[dict[str, Any], int], dict[str, Any]]


def model(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Answer a chat request: the instructions count by their lines, heat makes the answer vary with the number of the call."""
    prompt = "\n".join(str(message["content"]) for message in body["messages"] if message["role"] == "system")
    said = "Four" if "digit" not in prompt else "4"
    if "shout" in prompt:
        said = said.upper()
    if body.get("temperature", 1) > 0:
        said += [", I think", ", surely", ""][number % 3]
    return completion(f"{said}.", id=f"chatcmpl-{number}")


class Provider:
    """A server in a thread: `url` is its base, `bodies` what it received, `keys` the keys that came."""

    def __init__(self, answer: Model = model) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.cut: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                outer.keys.append(self.headers["authorization"])
                outer.respond(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def chat(self) -> str:
        """The URL of chat completions."""
        return f"{self.url}/chat/completions"

    def respond(self, to: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = json.loads(self.bodies[-1])
        answer = self.answer(body, len(self.bodies)) if self.status < 400 else {"error": {"message": "no"}}
        if body.get("stream") and self.status < 400:
            from runstore.capture.codecs.restream import STREAMS

            made = STREAMS["openai.chat"](answer)
            assert made is not None
            kind, data = made
        else:
            kind, data = "application/json", json.dumps(answer).encode()
        to.send_response(self.status)
        to.send_header("content-type", kind)
        to.send_header("content-length", str(len(data)))
        to.end_headers()
        to.wfile.write(data[: self.cut])
        if self.cut is not None:
            to.close_connection = True

    def stop(self) -> None:
        """Stop the server; calling it twice is calling it once."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def provider(answer: Model = model) -> Iterator[Provider]:
    """Run a provider for a while."""
    made = Provider(answer)
    try:
        yield made
    finally:
        made.stop()
