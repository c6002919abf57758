"""A TCP proxy on loopback that loses answers: it passes a call on, waits for the answer, and hangs up instead of giving it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes connections on to a server; the answers to calls that match are lost, so many times."""

    def __init__(self, target: str, answer_to: bytes, times: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._pattern = re.compile(answer_to)
        self._left = times
        self.cut = 0
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []

    def serve(self) -> None:
        """Take connections until closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                doomed = threading.Event()
                for task in ((self._call, client, server, doomed), (self._answer, server, client, doomed)):
                    threading.Thread(target=task[0], args=task[1:], daemon=True).start()

    def _call(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                with self._lock:
                    if self._left and self._pattern.search(data):
                        self._left -= 1
                        doomed.set()
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if doomed.is_set():
                    self.cut += 1
                    for end in (client, server):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

    def close(self) -> None:
        """End it."""
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def cutting_proxy(target: str, *, answer_to: bytes, times: int) -> Iterator[Proxy]:
    """Run such a proxy before a server."""
    proxy = Proxy(target, answer_to, times)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
