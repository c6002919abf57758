"""The seam between HTTP clients and whoever watches or answers: one handler for all clients, without I/O of its own.

A client's patch asks the handler once for each request that would go out: `start`. The turn it returns either has a reply, and nothing is
sent, or is told what came. It is the same for clients that block and for those that await.
Whatever a handler raises reaches the program: one that only watches has to catch its own errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from runstore.errors import RunstoreError

Pairs = tuple[tuple[str, str], ...]


class Call:
    """A request that is about to be sent.

    `body` is None while it is not known: a stream is seen as it is sent, and is there when the answer is, unless it never is read whole.
    `unknown` is the error that says why, where it never will be.
    """

    __slots__ = ("body", "headers", "method", "unknown", "url")

    def __init__(self, method: str, url: str, headers: Pairs, body: bytes | None, unknown: RunstoreError | None = None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.unknown = unknown


class Reply(NamedTuple):
    """An answer made here. `chunks` are read as a client reads a stream, one by one: they may be made as it goes."""

    status: int
    headers: Pairs
    chunks: Iterable[bytes]


class Watcher(Protocol):
    """Is told what a program reads of an answer, as it lies on the wire: the content encoding is not removed."""

    def chunk(self, data: bytes) -> None:
        """Some bytes of the body, before the program gets them."""

    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        """No more is read: the body ended (`complete`), the program closed it, or reading raised `error`. May come more than once."""


class Turn:
    """One request in the hands of a handler. This one lets it pass."""

    __slots__ = ()

    @property
    def reply(self) -> Reply | None:
        """The answer, if the handler gives it; None: the request is sent."""
        return None

    def answered(self, status: int, headers: Pairs) -> Watcher | None:
        """The head of an answer came. Returns who watches its body; None: nobody."""
        return None

    def failed(self, error: BaseException) -> None:
        """No answer came: sending raised this."""


PASS = Turn()
"""The turn of a request that the handler has nothing to do with."""


class Handler(Protocol):
    """Watches calls, or answers them."""

    def start(self, call: Call) -> Turn:
        """Return the turn of a request that is about to be sent."""
