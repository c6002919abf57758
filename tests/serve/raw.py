"""HTTP by hand: bytes on a socket, so that what no client would send can be sent."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple

from runstore.sync.http import CONTENT_TYPE
from runstore.sync.messages import END, Message, to_bytes


class Response(NamedTuple):
    """A response as it came: status 0 for none."""

    status: int
    head: bytes
    body: bytes


def exchange(port: int, data: bytes | Iterable[bytes], *, seconds: float = 10.0) -> Response:
    """Send bytes and read what comes until the server closes, or says no more for a second after it began."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        try:
            for part in (data,) if isinstance(data, bytes) else data:
                sock.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have said why
        return read_response(sock)


def read_response(sock: socket.socket) -> Response:
    """Read one response."""
    found = b""
    try:
        while part := sock.recv(1 << 16):
            found += part
            if b"\r\n\r\n" in found:
                sock.settimeout(1.0)
    except (TimeoutError, ConnectionResetError):
        pass
    head, _, body = found.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return Response(int(words[1]) if len(words) > 1 else 0, head, body)


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request that asks the server to close."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def call(path: str, token: str, *messages: Message) -> bytes:
    """Return a request that makes a call."""
    body = b"".join(map(to_bytes, messages)) + END
    return request("POST", path, f"Authorization: Bearer {token}", f"Content-Type: {CONTENT_TYPE}", body=body)
