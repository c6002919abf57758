"""A guard: while it is on, a connection that is tried fails the test."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def no_network() -> Iterator[None]:
    """Let no socket be connected, and no name be looked up."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, refuse)
        for name in ("create_connection", "getaddrinfo"):
            patch.setattr(socket, name, refuse)
        yield
