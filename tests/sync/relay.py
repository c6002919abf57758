"""A line between a client and a server, over real sockets, that can be cut after so many bytes."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Relay:
    """Listens on a port of its own and passes bytes on, of both directions together at most `budget`; None for all of them.

    A line that is cut stays dead, for new connections too, until it gets another budget; one that is cut `once` carries all that comes
    after that. `used` counts what went over.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.budget: int | None = None
        self._once = False
        self.used = 0
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, budget: int | None, *, once: bool = False) -> None:
        """Cut what is open, and carry so many bytes from now on."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            self._open = []
            self.budget, self.used, self._once = budget, 0, once

    def close(self) -> None:
        """Stop."""
        self.reset(0)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            with self._lock:
                self._open += [near, far]
            while True:
                ready, _, _ = select.select([near, far], [], [], 30)
                for sock in ready:
                    data = sock.recv(1 << 16)
                    if not data or not self._carry(far if sock is near else near, data):
                        return

    def _carry(self, sock: socket.socket, data: bytes) -> bool:
        """Pass bytes on as far as the budget reaches; False at its end."""
        with self._lock:
            fits = len(data) if self.budget is None else max(min(len(data), self.budget - self.used), 0)
            self.used += fits
            if fits < len(data) and self._once:
                self.budget = None
        sock.sendall(data[:fits])
        return fits == len(data)


@contextmanager
def relayed(port: int) -> Iterator[Relay]:
    """Give a relay to a port."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
