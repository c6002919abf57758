"""Running the app: granian, one process that listens and one that answers. On SIGTERM and SIGINT running calls are finished first."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, Unavailable
from runstore.serve.settings import Settings

_MISSING = "serving over HTTP needs starlette and granian"
_HEAD_MILLISECONDS = 15_000
_BUFFER = 128 << 10
_ERRORS = {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


class Address(NamedTuple):
    """Where a server listens. Port 0: any that is free."""

    host: str
    port: int


class Tls(NamedTuple):
    """Files in PEM form: the certificate with those that lead to its root, and its key."""

    certificate: str
    key: str


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, `PORT` or `:PORT` (this machine alone, unless a host is named). Raises InvalidInput."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(
            f"{text[:80]!r} is no address to listen at", hint="HOST:PORT, as 127.0.0.1:8321 or 0.0.0.0:8321", kind="bad-address"
        )
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def free_address(address: Address) -> Address:
    """Return the address with a port that is free. Raises Unavailable if it cannot be listened at."""
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without this the ports of a server that has just ended count as taken; one that listens still does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            return address._replace(port=probe.getsockname()[1])
    except OSError as error:
        hint = "another program may listen there" if address.port else None
        raise Unavailable(f"cannot listen at {address.host}:{address.port}: {error.strerror}", hint=hint, kind="address") from error


def url_of(address: Address, tls: Tls | None) -> str:
    """Return the URL at which a server is reached on its own machine."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{'http' if tls is None else 'https'}://{host}:{address.port}"


def serve(settings: Settings, address: Address, *, tls: Tls | None = None, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until the process is told to end. `ready` is called before. Raises Unavailable where the extra is missing, InvalidInput."""
    try:
        from granian import Granian
        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.log import LogLevels
    except ImportError as error:
        raise Unavailable(_MISSING, hint="pip install 'runstore[serve]'", kind="missing-extra") from error
    try:
        server = Granian(
            "runstore.serve.app",
            address.host,
            address.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            websockets=False,
            http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS, max_buffer_size=_BUFFER),
            log_level=LogLevels.error,
            log_dictconfig={"handlers": {"console": _ERRORS, "access": _ERRORS}},
            ssl_cert=None if tls is None else Path(tls.certificate),
            ssl_key=None if tls is None else Path(tls.key),
        )
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"the certificate or its key cannot be used: {error}", hint="both are files in PEM form", kind="tls") from error
    server.on_startup(ready)
    server.serve(target_loader=functools.partial(_load, settings), wrap_loader=False)


def _load(settings: Settings) -> Any:
    from runstore.serve.app import build

    return build(settings)
