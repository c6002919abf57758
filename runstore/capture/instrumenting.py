"""Putting recording on in this process, and off again: `runstore.instrument`, `uninstrument`, `stats`, `drain`.

Calls go to the journal, and from there into the store by a thread of low priority, at exit, or by any command that opens the store.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from runstore.capture.counts import Counts
from runstore.capture.entries import Seen
from runstore.capture.recorder import Options, Recorder
from runstore.capture.redaction.configured import configured
from runstore.capture.tap import patches
from runstore.capture.tap.active import active, put_on, take_off
from runstore.errors import InvalidInput
from runstore.store.directory import DEFAULT_NAME, discover, is_store, read_config
from runstore.sync.urls import is_bucket_url

if TYPE_CHECKING:
    from runstore.capture.assemble import Redact
    from runstore.capture.drain import Drained
    from runstore.repo import Repo

EVERY_SECONDS = 1.0
_COUNTS = Counts()
_lock = threading.RLock()
_current: Recording | None = None
_outer = False


class Recording:
    """Recording into one store by this process. Made by `instrument`, and by whoever hands a client its own transport."""

    def __init__(self, options: Options, *, background: bool) -> None:
        self.recorder = Recorder(options, counts=_COUNTS, commit=self._commit)
        self._background = background and options.mode == "spool"
        self._repo: Repo | None = None
        self._guard = threading.RLock()
        self._stop = threading.Event()
        if self._background:
            self._begin_thread()
            os.register_at_fork(after_in_child=self._in_child)

    def drain(self) -> Drained:
        """Put what waits into the store."""
        from runstore.capture.drain import drain

        with self._guard:
            done = drain(self._open())
        _COUNTS.add("drained", done.recorded)
        return done

    def close(self, *, drain: bool = True) -> None:
        """End: leave the journal, drain it, close the store. What cannot be drained now is drained by the next command."""
        self._stop.set()
        self.recorder.close()
        try:
            if drain:
                self._try_to_drain()
        finally:
            with self._guard:
                if self._repo is not None:
                    self._repo.close()
                    self._repo = None

    def _commit(self, seen: Seen) -> Any:
        from runstore.capture.drain import record_seen

        with self._guard:
            return record_seen(self._open(), seen)

    def _open(self) -> Repo:
        from runstore.opening import open_repo

        if self._repo is None:
            options = self.recorder.options
            self._repo = open_repo(options.store, create=True, actor=options.label.get("actor"))
        return self._repo

    def _begin_thread(self) -> None:
        threading.Thread(target=self._run, name="runstore-drain", daemon=True).start()

    def _in_child(self) -> None:
        self._guard = threading.RLock()
        if not self._stop.is_set():
            self._stop = threading.Event()
            self._begin_thread()

    def _run(self) -> None:
        from runstore.capture.drain import waiting

        stop, seen = self._stop, -1
        while not stop.wait(EVERY_SECONDS):
            recorded = _COUNTS.as_dict()["recorded"]
            if recorded != seen and waiting(self.recorder.options.store):
                self._try_to_drain()
            seen = int(recorded or 0)

    def _try_to_drain(self) -> None:
        try:
            self.drain()
        except Exception as error:  # noqa: BLE001 - the border to the host program: counted and visible, and tried again
            _COUNTS.failed_drain(error)


def instrument(
    store: str | os.PathLike[str] | None = None,
    *,
    ref: str | None = None,
    session: str | None = None,
    notes: Mapping[str, Any] | None = None,
    actor: str | None = None,
    mode: Literal["spool", "commit"] = "spool",
    on_error: Literal["count", "raise"] = "count",
    redact: Redact | Literal["off", "mask", "refuse"] | None = None,
    spans: bool = False,
    background: bool = True,
) -> list[str]:
    """Record the model calls of this process from here on; return what was patched (more is when more clients are imported).

    `store`: its directory, made if it is not there; by default the nearest `.runstore` from the working directory upward, else a new one
    here. `ref`, `session`, `notes` and `actor` label calls outside any `record`. In `spool` mode a call survives the end of the process
    from the moment its answer was read, and a thread puts it into the store (`background=False`: at exit, or by the next command); in
    `commit` mode it is durable in the store by then. With `on_error="raise"` what cannot be recorded is raised, and a request is
    journalled before it is sent. `redact` masks what must not be stored: a `Redactor`, a function of that kind, or `off`, `mask` or
    `refuse`; by default what the store's settings say. `spans` sets run and request id on the current OpenTelemetry span.
    Raises InvalidInput if this process records into another store already, and what opening a store raises.
    """
    if mode not in ("spool", "commit") or on_error not in ("count", "raise"):
        raise InvalidInput(
            f"mode {mode!r}, on_error {on_error!r}", hint="mode is spool or commit, on_error is count or raise", kind="bad-mode"
        )
    with _lock:
        if _current is not None and _outer:
            return patches.install()  # whoever started this program records it
    place = store_directory(store)
    if not is_store(place):
        from runstore.opening import open_repo

        open_repo(place, create=True).close()
    said = {"ref": ref, "session": session, "notes": dict(notes) if notes else None, "actor": actor}
    label = {name: item for name, item in said.items() if item}
    return begin(Options(place, mode, on_error, label, redactor(place, redact), spans), background=background)


def begin(options: Options, *, background: bool, outer: bool = False) -> list[str]:
    """Put recording on with these options; the store is there. `outer`: for `runstore exec`, which counts above what the program says."""
    global _current, _outer
    with _lock:
        if _current is not None:
            if not _outer and _current.recorder.options.store != options.store:
                raise InvalidInput(
                    f"this process records into {_current.recorder.options.store} already",
                    hint="runstore.uninstrument() ends that",
                    kind="already-recording",
                )
            return patches.install()
        _current, _outer = Recording(options, background=background), outer
        put_on(_current.recorder, beneath=True)  # a program that is replayed may record itself, and is not to send for that
        atexit.register(uninstrument, drain=background)
        return patches.install()


def uninstrument(*, drain: bool = True) -> list[str]:
    """End what `instrument` began: restore the clients, drain the journal. Returns what was restored. Idempotent."""
    global _current
    with _lock:
        if _current is None or (_outer and drain):
            return []  # nothing to end, or not the program's to end
        recording, _current = _current, None
        atexit.unregister(uninstrument)
        take_off(recording.recorder)
        restored = patches.remove() if active() is None else []  # who answers in this process needs the tap still
        recording.close(drain=drain)
        return restored


def stats() -> dict[str, int | str | None]:
    """Return the counts of this process: `calls` seen, `recorded`, `others` (no model call), `dropped` and why (`last_error`), and more."""
    return _COUNTS.as_dict()


def drain(store: str | os.PathLike[str] | None = None) -> int:
    """Put what waits in a store's journal into the store; return how many executions that were."""
    with _lock:
        place = store_directory(store) if store is not None or _current is None else _current.recorder.options.store
        if _current is not None and _current.recorder.options.store == place:
            return _current.drain().recorded
    from runstore.capture.drain import drain as put
    from runstore.opening import open_repo

    with open_repo(place) as repo:
        return put(repo).recorded


def redactor(store: str, redact: Redact | str | None) -> Redact | None:
    """Return what redacts for the store in a directory: what is given, or what its settings say. Raises InvalidInput."""
    if callable(redact):
        return redact
    return configured(read_config(store).capture, redact)


def store_directory(store: str | os.PathLike[str] | None) -> str:
    """Return the directory of the store that is meant, absolute: a program may change its own. Raises InvalidInput for a bucket."""
    if store is not None and is_bucket_url(os.fspath(store)):
        raise InvalidInput(
            f"{os.fspath(store)} is a bucket, and a program that records itself does so into a directory",
            hint=f"`runstore --store {os.fspath(store)} exec -- PROGRAM` records into it; or record into a directory, and push",
            kind="bad-url",
        )
    return os.path.abspath(os.fspath(store) if store is not None else discover(os.getcwd()) or DEFAULT_NAME)
