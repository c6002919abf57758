"""The seam of the transports: one call and its answer. A transport moves messages and gives them no meaning.

Everything above is the same over a path, a pipe, ssh or HTTP; `runstore.testing` runs one suite of scenarios over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from runstore.sync.messages import Message


class Channel(Protocol):
    """A connection to a peer, used by one thread. Calls go one after another."""

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Send a call, all of it, and return its answer as it comes. The answer is taken to its end, or the channel closed.

        Raises Unavailable with kind `disconnected` where the connection ended: whether the call was carried out is then not known. After
        that the channel is of no use; whoever retries opens another.
        """

    def close(self) -> None:
        """Release the connection. Idempotent."""


Answer = Callable[[Iterable[Message]], Iterator[Message]]
"""What serves calls: `Endpoint.answer`."""


class LocalChannel:
    """A channel to an endpoint in this process: how one store on disk reaches another."""

    def __init__(self, answer: Answer, on_close: Callable[[], None] | None = None) -> None:
        self._answer = answer
        self._on_close = on_close

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Hand the messages over."""
        return self._answer(messages)

    def close(self) -> None:
        """Release what stands behind the endpoint."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
