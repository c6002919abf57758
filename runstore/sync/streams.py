"""Calls over a pair of byte streams: pipes to a process, or a socket. One call at a time, each way."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from typing import BinaryIO

from runstore.errors import RunstoreError
from runstore.sync.channel import Answer
from runstore.sync.messages import END, Message, disconnected, read_call, to_bytes


class StreamChannel:
    """The calling end. `on_close` is called once, when the channel is closed or the connection was found to have ended."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO, on_close: Callable[[], None] = lambda: None) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._on_close: Callable[[], None] | None = on_close

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Send a call and yield its answer. An answer that comes early, an error then, ends the sending and the connection."""
        if self._on_close is None:
            raise disconnected("the connection was closed")
        try:
            whole = self._send(messages)
            yield from read_call(self._incoming)
        except (OSError, ValueError) as error:
            if isinstance(error, RunstoreError):
                raise
            raise disconnected(f"the connection ended: {error}") from error
        if not whole:
            self.close()

    def _send(self, messages: Iterable[Message]) -> bool:
        """Write the call; False if the other side answered before it had all of it."""
        try:
            for message in messages:
                if self._is_answered():
                    return False
                self._outgoing.write(to_bytes(message))
                self._outgoing.flush()
            self._outgoing.write(END)
            self._outgoing.flush()
        except BrokenPipeError:
            return False  # the other side may have said why
        return True

    def _is_answered(self) -> bool:
        poll = select.poll()
        poll.register(self._incoming, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close both streams. Idempotent."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            for stream in (self._outgoing, self._incoming):
                try:
                    stream.close()
                except OSError:
                    continue  # what was not sent goes nowhere now
            on_close()


def serve_streams(answer: Answer, incoming: BufferedReader, outgoing: BinaryIO) -> None:
    """Answer calls until the other side closes the stream. A connection that is cut in the middle ends it too."""
    while incoming.peek(1):
        call = read_call(incoming)
        try:
            for message in answer(call):
                outgoing.write(to_bytes(message))
                outgoing.flush()
            outgoing.write(END)
            outgoing.flush()
            # What is left of a call that was refused before its end is read and dropped: the caller may still be writing.
            for _ in call:
                continue
        except RunstoreError as error:
            if error.kind == "disconnected":
                return
            raise
        except (BrokenPipeError, ConnectionError):
            return
