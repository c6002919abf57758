"""A handler that writes down what it is told, and answers where it was given a reply."""

from __future__ import annotations

from runstore.capture.tap.handler import Call, Pairs, Reply, Turn, Watcher


class Seen(Turn):
    """One request, as it was told."""

    def __init__(self, call: Call, reply: Reply | None = None) -> None:
        self.call = call
        self.status: int | None = None
        self.headers: Pairs = ()
        self.body = b""
        self.chunks: list[bytes] = []
        self.ends: list[tuple[bool, BaseException | None]] = []
        self.error: BaseException | None = None
        self._reply = reply

    @property
    def reply(self) -> Reply | None:
        return self._reply

    def answered(self, status: int, headers: Pairs) -> Watcher:
        self.status, self.headers = status, headers
        return self

    def failed(self, error: BaseException) -> None:
        self.error = error

    def chunk(self, data: bytes) -> None:
        self.chunks.append(data)
        self.body += data

    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        self.ends.append((complete, error))


class Watching:
    """Watches every call; `reply` answers them all."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.seen: list[Seen] = []
        self._reply = reply

    def start(self, call: Call) -> Seen:
        self.seen.append(Seen(call, self._reply))
        return self.seen[-1]
