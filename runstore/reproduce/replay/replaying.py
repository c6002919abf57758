"""Replaying: the handler that answers, and the context in which it is in force.

Modes: `replay` answers or raises NotRecorded, and sends nothing; `auto` answers, or sends and records; `record` sends and records;
`compare` sends and records, and then says whether the answers are those recorded before; `off` does nothing.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from runstore.capture.scopes import current
from runstore.capture.tap import patches
from runstore.capture.tap.active import put_on, take_off
from runstore.capture.tap.handler import PASS, Call, Handler, Reply, Turn
from runstore.capture.wanted import wanted
from runstore.errors import InvalidInput, NotRecorded, RunstoreError
from runstore.opening import open_repo
from runstore.repo import Repo
from runstore.reproduce.replay.choosing import parse_choice
from runstore.reproduce.replay.library import Hit, Library
from runstore.reproduce.replay.normalising import Declared, declared

REPLAY, AUTO, RECORD, COMPARE, OFF = MODES = ("replay", "auto", "record", "compare", "off")


class Replayed(Turn):
    """A turn with a recorded answer."""

    __slots__ = ("_hit",)

    def __init__(self, hit: Hit) -> None:
        self._hit = hit

    @property
    def reply(self) -> Reply:
        """The recorded answer."""
        media_type, body, status, kept = self._hit.response
        headers = [*kept, ("content-type", media_type), ("content-length", str(len(body)))]
        headers.append(("x-runstore-execution", self._hit.execution.hex))
        if self._hit.normalisers:
            headers.append(("x-runstore-normalised", ",".join(self._hit.normalisers)))
        return Reply(status, tuple(headers), (body,))


class Compared(NamedTuple):
    """What `compare` found: requests whose new answers are all among those recorded, those with others, and those never recorded before."""

    same: int
    different: int
    new: int


class Replayer:
    """A handler of the tap that answers from a library. What it does not answer goes to `live`, or raises NotRecorded where there is none.

    With `answers` off nothing is answered: all goes to `live`, and `requests` keeps what was asked. `ref` is where calls that were answered
    through normalisers are taken down, None: nowhere. `tell` is told each hit and miss, as a map that can be summed.
    """

    def __init__(
        self,
        library: Library,
        live: Handler | None = None,
        *,
        answers: bool = True,
        ref: str | None = None,
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._library = library
        self._live = live
        self._answers = answers
        self._ref = ref
        self._tell = tell or (lambda told: None)
        self._lock = threading.Lock()
        self.hits = 0
        self.normalised: Counter[str] = Counter()
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
            self._tell({"sent": 1})
            return PASS if self._live is None else self._live.start(call)
        scope = current()
        try:
            hit = self._library.find(asked, (scope.path or "") if scope is not None else "")
        except NotRecorded as error:
            return self._missed(error, call)
        with self._lock:
            self.hits += 1
            self.normalised.update(hit.normalisers)
        if hit.normalisers and self._ref is not None:
            label = scope.label() if scope is not None else {}
            notes = {**label.get("notes", {}), **{key: label[key] for key in ("session", "scope") if key in label}}
            self._library.take_down(asked, hit, notes, label.get("ref", self._ref))
        self._tell({"hits": 1, "normalised": list(hit.normalisers)})
        return Replayed(hit)

    def _missed(self, error: NotRecorded, call: Call) -> Turn:
        with self._lock:
            self.missed += 1
            if len(self.misses) < 100:
                self.misses.append(error)
        self._tell({"missed": 1, "misses": [str(error)]})
        if self._live is not None:
            return self._live.start(call)
        raise error


class Replaying:
    """A stretch of a program in which its calls are answered from a store. A context manager, for `async with` too.

    `hits` counts the calls answered, `missed` those that were not, `misses` the first of those as errors; `normalised` how often each
    normaliser was needed for a hit. After a `compare`, `compared` says how the answers agree.
    """

    def __init__(
        self,
        mode: str,
        store: str | os.PathLike[str] | Repo | None,
        choice: str,
        *,
        strict: bool = True,
        normalise: Declared = None,
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if mode not in MODES:
            raise InvalidInput(f"{mode[:40]!r} is no mode", hint=f"a mode is one of {', '.join(MODES)}", kind="bad-mode")
        self.mode = mode
        self.compared: Compared | None = None
        self._store = store
        self._choice = parse_choice(choice)
        self._strict = strict
        self._normalise = normalise
        self._tell = tell
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

    @property
    def normalised(self) -> dict[str, int]:
        """How many of the calls answered were found through each normaliser."""
        return dict(self._handler.normalised) if self._handler is not None else {}

    def __enter__(self) -> Self:
        if self.mode == OFF:
            return self
        writes = self.mode != REPLAY
        repo = self._repo = self._store if isinstance(self._store, Repo) else open_repo(self._store, create=writes)
        drain_waiting(repo)
        library = Library(repo, self._choice, declared(self._normalise, replay_settings(repo)))
        ref = repo.default_ref if self.mode == AUTO else None
        live = self._live() if writes else None
        self._handler = Replayer(library, live, answers=self.mode in (REPLAY, AUTO), ref=ref, tell=self._tell)
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
            self.compared = compared(Library(repo), handler)
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
        from runstore.capture.instrumenting import Recording, redactor
        from runstore.capture.recorder import Options

        assert self._repo is not None
        directory = getattr(self._repo.store, "directory", None)
        if directory is None:
            raise InvalidInput(
                "a bundle or a store in memory cannot be recorded into", hint="name the directory of a store", kind="read-only"
            )
        options = Options(directory, "commit", label={"ref": self._repo.default_ref}, redact=redactor(directory, None))
        self._recording = Recording(options, background=False)
        recorder: Handler = self._recording.recorder
        return recorder


def replay(
    mode: str = REPLAY,
    *,
    store: str | os.PathLike[str] | Repo | None = None,
    choice: str = "latest",
    strict: bool = True,
    normalise: Declared = None,
) -> Replaying:
    """Answer the calls of this process from a store (a directory, a bundle, a Repo; the nearest one by default) within a `with`.

    `choice` among several answers: `first`, `latest`, `sequence` or `sample:SEED`. In mode `replay` a call that is not recorded raises
    NotRecorded, and so does leaving the block after one, whatever the program made of it, unless `strict` is off.
    `normalise` names what is put aside to find a request that is not recorded as it is (`date`, `time`, `uuid`, `id`, `hex`), or maps names
    to regular expressions; by default it is what the store's settings say. Raises InvalidInput for a mode or a choice that is none.
    """
    return Replaying(mode, store, choice, strict=strict, normalise=normalise)


def replay_settings(repo: Repo) -> dict[str, Any]:
    """Return the table `[replay]` of a store's settings; empty for a bundle or a store in memory."""
    from runstore.store.directory import read_config

    directory = getattr(repo.store, "directory", None)
    return read_config(directory).replay if directory is not None else {}


def drain_waiting(repo: Repo) -> None:
    """Put what waits in the journal into the store, if there is any and it may be written to: it was recorded, and may be asked for."""
    from runstore.capture.drain import drain, waiting

    directory = getattr(repo.store, "directory", None)
    if directory is not None and waiting(directory):
        with suppress(RunstoreError, OSError):
            drain(repo)


def compared(library: Library, handler: Replayer) -> Compared:
    """Say how what was answered agrees with what was recorded before: for a handler that did not answer itself."""
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
