"""A small S3 server that ignores conditions: it answers 200 and overwrites, as some real ones do."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Careless(BaseHTTPRequestHandler):
    """Keeps objects by their path. `heeds` are the conditions that it heeds, by the names of their headers."""

    objects: dict[str, bytes]
    heeds: frozenset[str]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Store the body, whatever was there."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stored = self.objects.get(self.path)
        stale = self.headers.get("If-Match") not in (None, _tag(stored)) and "If-Match" in self.heeds
        exists = self.headers.get("If-None-Match") == "*" and stored is not None and "If-None-Match" in self.heeds
        if stale or exists:
            self._answer(412)
            return
        self.objects[self.path] = body
        self._answer(200, tag=_tag(body))

    def do_GET(self) -> None:
        """Return an object, or part of it."""
        body = self.objects.get(self.path)
        if body is None:
            self._answer(404)
            return
        asked = self.headers.get("Range")
        if asked is None:
            self._answer(200, body, _tag(body))
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = body[int(first) : int(last) + 1]
        self._answer(206, part, _tag(body), f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}")

    def do_POST(self) -> None:
        """Remove the objects that are named: the one call of this kind that the client makes."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        names = re.findall("<Key>([^<]*)</Key>", body)
        for name in names:
            self.objects.pop(f"{urlsplit(self.path).path}/{name}", None)
        done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
        self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

    def _answer(self, status: int, body: bytes = b"", tag: str | None = None, part: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        if tag is not None:
            self.send_header("ETag", tag)
        if part is not None:
            self.send_header("Content-Range", part)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _tag(body: bytes | None) -> str:
    return "none" if body is None else f'"{hashlib.md5(body).hexdigest()}"'


@contextmanager
def careless_server(*heeds: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Run such a server; give its address and what it holds."""
    objects: dict[str, bytes] = {}
    handler = type("Handler", (Careless,), {"objects": objects, "heeds": frozenset(heeds)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", objects
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
