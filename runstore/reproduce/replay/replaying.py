"""Replaying: the handler that answers, and the context in which it is in force.

Modes: `replay` answers or raises NotRecorded, and sends nothing; `auto` answers, or sends and records; `record` sends and records;
`compare` sends and records, and then says whether the answers are those recorded before; `off` does nothing.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, NamedTuple, Self

from runstore.capture.scopes import current
from runstore.capture.tap import patches
from runstore.capture.tap.active import put_on, take_off
from runstore.capture.tap.handler import PASS, Call, Handler, Reply, Turn
from runstore.capture.wanted import wanted
from runstore.errors import InvalidInput, NotRecorded
from runstore.opening import open_repo
from runstore.repo import Repo
from runstore.reproduce.replay.choosing import parse_choice
from runstore.reproduce.replay.library import Hit, Library

REPLAY, AUTO, RECORD, COMPARE, OFF = MODES = ("replay", "auto", "record", "compare", "off")


class Replayed(Turn):
    """A turn with a recorded answer."""

    __slots__ = ("_hit",)

    def __init__(self, hit: Hit) -> None:
        self._hit = hit

    @property
    def reply(self) -> Reply:
        """The recorded answer."""
        media_type, body, status = self._hit.response
        headers = (("content-type", media_type), ("content-length", str(len(body))), ("x-runstore-execution", self._hit.execution.hex))
        return Reply(status, headers, (body,))


class Compared(NamedTuple):
    """What `compare` found: requests whose new answers are all among those recorded, those with others, and those never recorded before."""

    same: int
    different: int
    new: int


class Replayer:
    """A handler of the tap that answers from a library. What it does not answer goes to `live`, or raises NotRecorded where there is none.

    With `answers` off nothing is answered: all goes to `live`, and `requests` keeps what was asked.
    """

    def __init__(self, library: Library, live: Handler | None = None, *, answers: bool = True) -> None:
        self._library = library
        self._live = live
        self._answers = answers
        self._lock = threading.Lock()
        self.hits = 0
        self.misses: list[NotRecorded] = []
        self.missed = 0
        self.requests: dict[bytes, frozenset[bytes]] = {}

    def start(self, call: Call) -> Turn:
        """See `Handler`. Raises NotRecorded."""
        if not wanted(call.method, call.url):
            return PASS
        asked = self._library.read(call)
        if asked is None:
            return self._missed(NotRecorded(f"{call.method} {call.url.partition('?')[0]} cannot be read before it is sent"), call)
        if not self._answers:
            request = asked.run.request_id
            self.requests.setdefault(request, frozenset(obj.id for obj, _ in self._library.answers(request)))
            return PASS if self._live is None else self._live.start(call)
        scope = current()
        try:
            hit = self._library.find(asked, (scope.path or "") if scope is not None else "")
        except NotRecorded as error:
            return self._missed(error, call)
        with self._lock:
            self.hits += 1
        return Replayed(hit)

    def _missed(self, error: NotRecorded, call: Call) -> Turn:
        with self._lock:
            self.missed += 1
            if len(self.misses) < 100:
                self.misses.append(error)
        if self._live is not None:
            return self._live.start(call)
        raise error


class Replaying:
    """A stretch of a program in which its calls are answered from a store. A context manager, for `async with` too.

    `hits` counts the calls answered, `missed` those that were not, `misses` the first of those as errors. After a `compare`, `compared`
    says how the answers agree.
    """

    def __init__(self, mode: str, store: str | os.PathLike[str] | Repo | None, choice: str, *, strict: bool = True) -> None:
        if mode not in MODES:
            raise InvalidInput(f"{mode[:40]!r} is no mode", hint=f"a mode is one of {', '.join(MODES)}", kind="bad-mode")
        self.mode = mode
        self.compared: Compared | None = None
        self._store = store
        self._choice = parse_choice(choice)
        self._strict = strict
        self._repo: Repo | None = None
        self._recording: Any = None
        self._handler: Replayer | None = None

    @property
    def hits(self) -> int:
        """How many calls were answered from the store."""
        return self._handler.hits if self._handler is not None else 0

    @property
    def missed(self) -> int:
        """How many calls were not."""
        return self._handler.missed if self._handler is not None else 0

    @property
    def misses(self) -> list[NotRecorded]:
        """The first calls that were not answered."""
        return self._handler.misses if self._handler is not None else []

    def __enter__(self) -> Self:
        if self.mode == OFF:
            return self
        writes = self.mode != REPLAY
        self._repo = self._store if isinstance(self._store, Repo) else open_repo(self._store, create=writes)
        self._handler = Replayer(Library(self._repo, self._choice), self._live() if writes else None, answers=self.mode in (REPLAY, AUTO))
        patches.install()
        put_on(self._handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        handler, repo = self._handler, self._repo
        if handler is None or repo is None:
            return
        take_off(handler)
        if self._recording is not None:
            self._recording.close()
        if self.mode == COMPARE:
            self.compared = _compared(Library(repo), handler)
        if not isinstance(self._store, Repo):
            repo.close()
        if self._strict and self.mode == REPLAY and handler.misses and not isinstance(error, NotRecorded):
            # Libraries put errors of their own in place of ours; and a program may have passed over one.
            raise handler.misses[0] from error

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def _live(self) -> Handler:
        from runstore.capture.instrumenting import Recording
        from runstore.capture.recorder import Options

        assert self._repo is not None
        directory = getattr(self._repo.store, "directory", None)
        if directory is None:
            raise InvalidInput(
                "a bundle or a store in memory cannot be recorded into", hint="name the directory of a store", kind="read-only"
            )
        self._recording = Recording(Options(directory, "commit", label={"ref": self._repo.default_ref}), background=False)
        recorder: Handler = self._recording.recorder
        return recorder


def replay(
    mode: str = REPLAY, *, store: str | os.PathLike[str] | Repo | None = None, choice: str = "latest", strict: bool = True
) -> Replaying:
    """Answer the calls of this process from a store (a directory, a bundle, a Repo; the nearest one by default) within a `with`.

    `choice` among several answers: `first`, `latest`, `sequence` or `sample:SEED`. In mode `replay` a call that is not recorded raises
    NotRecorded, and so does leaving the block after one, whatever the program made of it, unless `strict` is off.
    Raises InvalidInput for a mode or a choice that is none.
    """
    return Replaying(mode, store, choice, strict=strict)


def _compared(library: Library, handler: Replayer) -> Compared:
    same = different = new = 0
    for request, before in handler.requests.items():
        answers = [one for one in library.answers(request) if one[1].status == "ok"]
        old = {execution.output for obj, execution in answers if obj.id in before}
        now = {execution.output for obj, execution in answers if obj.id not in before}
        if not old:
            new += 1
        elif now <= old:
            same += 1
        else:
            different += 1
    return Compared(same, different, new)
