"""Replaying: the context in which calls are answered from a store.

Modes: `replay` answers or raises NotRecorded, and sends nothing; `auto` answers, or sends and records; `record` sends and records;
`compare` sends and records, and then says whether the answers are those recorded before; `off` does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from runstore.capture.tap import patches
from runstore.capture.tap.active import put_on, take_off
from runstore.capture.tap.handler import Handler
from runstore.errors import InvalidInput, NotRecorded, RunstoreError
from runstore.opening import open_repo
from runstore.repo import Repo
from runstore.reproduce.replay.choosing import parse_choice
from runstore.reproduce.replay.library import Library
from runstore.reproduce.replay.normalising import Declared, declared
from runstore.reproduce.replay.replayer import Compared, Replayer, compared

REPLAY, AUTO, RECORD, COMPARE, OFF = MODES = ("replay", "auto", "record", "compare", "off")


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
        answers, compare = self.mode in (REPLAY, AUTO), self.mode == COMPARE
        self._handler = Replayer(library, live, answers=answers, compare=compare, ref=ref, tell=self._tell)
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
