"""What lies behind an http URL: a server that answers calls, or static files of a bucket. Found out with the first call.

The server is asked first, with the token: to ask for files first would be one more request, by a stranger, before everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from runstore.errors import RunstoreError
from runstore.sync import http
from runstore.sync.channel import Channel
from runstore.sync.connect import Access, Connect
from runstore.sync.messages import Message
from runstore.sync.urls import Url

_NO_SERVER = ("bad-answer", "not-found", "server-error")


def server_or_files(url: Url, access: Access, files: Connect, are_files: Callable[[], bool]) -> Connect:
    """Return what opens a channel to whichever it is. `files` opens one to static files, if `are_files` says that they are there."""
    server = http.connector(url, access)
    found: list[Connect] = []

    def decide(is_server: bool) -> Connect:
        found[:] = [server if is_server else files]
        return found[0]

    return lambda: found[0]() if found else _First(server(), are_files, decide)


class _First:
    """The channel that is opened before it is known: its first call decides."""

    def __init__(self, server: Channel, are_files: Callable[[], bool], decide: Callable[[bool], Connect]) -> None:
        self._channel = server
        self._are_files = are_files
        self._decide: Callable[[bool], Connect] | None = decide

    def call(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Make a call and yield its answer."""
        if self._decide is None:
            yield from self._channel.call(messages)
            return
        call = list(messages)  # a hello: nothing else comes first
        answer = self._channel.call(call)
        try:
            first = next(answer, None)
        except RunstoreError as error:
            if error.kind not in _NO_SERVER or not self._are_files():
                raise
            self._channel.close()
            self._channel = self._decide(False)()
            self._decide = None
            yield from self._channel.call(call)
            return
        self._decide(True)
        self._decide = None
        if first is not None:
            yield first
        yield from answer

    def close(self) -> None:
        """Close what was opened. Idempotent."""
        self._channel.close()
