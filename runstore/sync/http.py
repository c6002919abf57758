"""The transport for http and https: a call is the body of a POST, its answer that of the response. Nothing but the standard library.

Both bodies are streamed. The token is a header, and never part of a URL; redirects are not followed, so it goes to no other host.
Certificates are checked against those of the system ($SSL_CERT_FILE names others, as OpenSSL takes it).
Source: docs/spec/protocol.md, "Over HTTP".
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import chain
from typing import Any, cast

from runstore.errors import Busy, NotFound, Refused, RunstoreError, Unavailable
from runstore.sync.connect import Access, Connect
from runstore.sync.messages import END, Message, disconnected, read_call, to_bytes
from runstore.sync.urls import Url

CONTENT_TYPE = "application/x-runstore"
_CONNECT_SECONDS = 30
_ANSWER_SECONDS = 3600  # a server that checks a large push says nothing meanwhile; keep-alive finds one that is gone
_PAUSES = (0.2, 1.0)
_LONGEST_PAUSE = 20.0
_TOGETHER = 1 << 16
_MOST_TOLD = 500


def connector(url: Url, access: Access) -> Connect:
    """Return what opens a channel to the store at a URL. The token is asked for once."""
    secure = url.text[:5].lower() == "https"
    token = Asked(access.token)
    return lambda: HttpChannel(url, secure, token)


class Asked:
    """A token that is asked for when it is first needed: a command that prints it may be slow."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask

    @cached_property
    def value(self) -> str | None:
        """The token. Raises Refused if it cannot stand in a header."""
        found = self._ask()
        if found is not None and (not found.isascii() or not found.isprintable() or " " in found):
            raise Refused("the token has characters that no token has", hint="check $RUNSTORE_TOKEN or the token command", kind="bad-token")
        return found


class HttpChannel:
    """A channel over one connection, which is opened when it is needed and again where the server has closed it between calls.

    A call that changes nothing is made again, at most twice, if the connection fails before the answer begins.
    """

    def __init__(self, url: Url, secure: bool, token: Asked, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._url = url
        self._secure = secure
        self._token = token
        self._pause = pause
        self._connection: HTTPConnection | None = None
        self._answered = False  # on this connection

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Make a call and yield its answer."""
        rest = iter(messages)
        first = next(rest, None)
        if first is None or first.name == "push":
            response = self._send(() if first is None else chain((first,), rest))
        else:
            response = self._send_again([first, *rest])
        try:
            yield from read_call(response)
            response.read()  # nothing but the end: the connection can be used again
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            if isinstance(error, RunstoreError):
                raise
            raise disconnected(f"the connection to {self._url.host} ended: {_told(error)}") from error
        if not self._answered:
            self.close()

    def _send_again(self, call: list[Message]) -> HTTPResponse:
        for pause in _PAUSES:
            try:
                return self._send(call)
            except _Later as later:
                self._pause(min(later.seconds, _LONGEST_PAUSE))
            except Unavailable as error:
                if error.kind not in ("disconnected", "unreachable"):
                    raise
                self._pause(pause)
        return self._send(call)

    def _send(self, call: Iterable[Message]) -> HTTPResponse:
        token = self._token.value
        connection = self._connected()
        try:
            whole = self._write(connection, call, token)
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            self.close()
            if isinstance(error, RunstoreError):
                raise
            raise disconnected(f"the connection to {self._url.host} ended: {_told(error)}") from error
        self._answered = whole and not response.will_close
        if response.status != 200 or response.getheader("Content-Type") != CONTENT_TYPE:
            self._raise_status(response)
        return response

    # --- the connection ------------------------------------------------------------------------------------------------------

    def _connected(self) -> HTTPConnection:
        if self._connection is not None and (self._connection.sock is None or _is_readable(self._connection)):
            self.close()  # the server has ended it since the last call
        if self._connection is None:
            self._connection = self._open()
            self._answered = False
        return self._connection

    def _open(self) -> HTTPConnection:
        host = self._url.host
        connection: HTTPConnection
        try:
            if self._secure:
                connection = HTTPSConnection(host, timeout=_CONNECT_SECONDS, context=ssl.create_default_context())
            else:
                connection = HTTPConnection(host, timeout=_CONNECT_SECONDS)
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            hint = "$SSL_CERT_FILE names a file of certificates to trust"
            raise Unavailable(f"the certificate of {host} is not trusted: {error.verify_message}", hint=hint, kind="tls") from error
        except (OSError, HTTPException) as error:
            hint = "check the URL, and that the server runs"
            raise Unavailable(f"cannot reach {host}: {_told(error)}", hint=hint, kind="unreachable") from error
        connection.response_class = _Response
        connection.sock.settimeout(_ANSWER_SECONDS)
        _keep_alive(connection.sock)
        return connection

    def close(self) -> None:
        """Close the connection. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --- the call ------------------------------------------------------------------------------------------------------------

    def _write(self, connection: HTTPConnection, call: Iterable[Message], token: str | None) -> bool:
        """Write a request; False if the server answered, or hung up, before it had all of it."""
        parts = _gathered(call)
        head = next(parts)
        following = next(parts, None)
        connection.putrequest("POST", self._url.path, skip_accept_encoding=True)
        connection.putheader("Content-Type", CONTENT_TYPE)
        connection.putheader("Accept", CONTENT_TYPE)
        connection.putheader("User-Agent", "runstore")
        if token is not None:
            connection.putheader("Authorization", f"Bearer {token}")
        if following is None:
            connection.putheader("Content-Length", str(len(head)))
            connection.endheaders(head)
            return True
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        # A TLS connection can be readable without an answer as long as none was read from it: the server sends tickets first.
        watched = self._answered or not self._secure
        try:
            for part in chain((head, following), parts):
                if watched and _is_readable(connection):
                    return False
                connection.send(b"%x\r\n%b\r\n" % (len(part), part))
            connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return False  # the server may have said why
        return True

    def _raise_status(self, response: HTTPResponse) -> None:
        """Raise what a response tells that is no answer of a store: it comes from the server's gate, or from something in between."""
        status, host, reason = response.status, self._url.host, str(response.reason)
        if (response.getheader("Content-Type") or "").startswith("text/plain"):
            with contextlib.suppress(OSError, HTTPException):
                told = response.read(_MOST_TOLD).decode("utf-8", "replace").partition("\n")[0].strip()
                reason = told or reason
        location = response.getheader("Location")
        self.close()
        if status in (429, 503):
            raise _Later(f"{host} is busy: {reason}", _seconds(response))
        if status == 401:
            hint = "set $RUNSTORE_TOKEN, or token_command in the remote's entry"
            raise Refused(f"{host} wants a token that it knows", hint=hint, kind="unauthorized")
        if status == 404:
            raise NotFound(f"there is no store at {self._url.text} for this token", hint="check the URL and the token's rights")
        if 300 <= status < 400:
            raise Refused(f"{host} answers that the store is at {location}", hint="use that URL, if you trust it", kind="moved")
        if status >= 500 and status != 501:
            raise Unavailable(f"{host} failed: {status} {reason}", hint="try again later", kind="server-error")
        asked = "is a store served at this URL?" if status in (200, 405, 501) else None
        raise Refused(f"{host} answered {status} {reason}", hint=asked, kind="bad-answer")


class _Response(HTTPResponse):
    """A response whose head has to be whole: the library takes the end of a connection for the end of the head."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = cast("io.BufferedReader", _Lines(self.fp))


class _Lines:
    """A stream whose lines have an end."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def readline(self, limit: int = -1) -> bytes:
        """Return a line. Raises ConnectionResetError if the stream ends in it, or before it."""
        line = self._stream.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise ConnectionResetError("the connection ended in the middle of a line")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Later(Busy):
    """The server asks to be called again after so many seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, hint="try again later")
        self.seconds = seconds


def _seconds(response: HTTPResponse) -> float:
    stated = response.getheader("Retry-After") or ""
    return float(stated) if stated.isascii() and stated.isdigit() and len(stated) < 9 else _PAUSES[-1]


def _gathered(call: Iterable[Message]) -> Iterator[bytes]:
    """Yield a call as it stands on a stream, small messages together."""
    waiting = io.BytesIO()
    for message in call:
        waiting.write(to_bytes(message))
        if waiting.tell() >= _TOGETHER:
            yield waiting.getvalue()
            waiting = io.BytesIO()
    waiting.write(END)
    yield waiting.getvalue()


def _is_readable(connection: HTTPConnection) -> bool:
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
