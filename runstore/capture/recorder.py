"""The recorder: a handler of the tap that writes down what it sees, and never disturbs the program.

In mode `spool` a call is appended to the journal when its answer was read; in mode `commit` it is in the store, durably, by then. What
goes wrong is counted and said once; with `on_error="raise"` it is raised, and a request is journalled before it is sent.
Standard library alone, until something is committed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from runstore.capture.counts import Counts
from runstore.capture.entries import Seen, entry_of, kept, plain
from runstore.capture.exchange import Exchange
from runstore.capture.journal.frames import LOST, Entry
from runstore.capture.journal.writer import MOST_BYTES, Journal, Ticket
from runstore.capture.redaction import Redactor
from runstore.capture.scopes import current
from runstore.capture.tap.handler import PASS, Call, Pairs, Turn, Watcher
from runstore.capture.wanted import wanted
from runstore.errors import Refused

if TYPE_CHECKING:
    from runstore.capture.assemble import Redact

MOST_BODY = 256 << 20
_CANCELLED = frozenset(("CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit", "GeneratorExit"))


def now() -> int:
    """Return the time, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def random_nonce() -> str:
    """Return what no other call will have."""
    return os.urandom(16).hex()


class Options(NamedTuple):
    """How calls are recorded: into the store in the directory `store`.

    `mode`: `spool` or `commit`. `on_error`: `count` or `raise`. `label` holds what calls outside any scope are labelled with: `ref`,
    `session`, `actor`, `notes`. `most_journal` and `most_body` bound the journal of the store and one answer, in bytes.
    """

    store: str
    mode: str = "spool"
    on_error: str = "count"
    label: dict[str, Any] = {}  # noqa: RUF012 - never changed in place
    redact: Redact | None = None
    spans: bool = False
    most_journal: int = MOST_BYTES
    most_body: int = MOST_BODY


class Recorder:
    """Records the calls of APIs that have a codec; lets all others pass."""

    def __init__(
        self,
        options: Options,
        *,
        counts: Counts | None = None,
        commit: Callable[[Seen], Any] | None = None,
        clock: Callable[[], int] = now,
        nonce: Callable[[], str] = random_nonce,
    ) -> None:
        """`commit` puts a call into the store, in mode `commit`. `clock` gives microseconds since 1970, `nonce` 32 hex digits a call."""
        self.options = options
        self.counts = counts or Counts()
        self.journal = Journal(options.store, most_bytes=options.most_journal)
        self.commit = commit
        self.clock = clock
        self.nonce = nonce
        self.strict = options.on_error == "raise"

    def start(self, call: Call) -> Turn:
        """See `Handler`."""
        try:
            if not wanted(call.method, call.url):
                self.counts.add("others")
                return PASS
            self.counts.add("calls")
            return _Recording(self, call)
        except Exception as error:  # noqa: BLE001 - the border to the host program: counted and visible
            self.lost(error, len(call.body or b""))
            return PASS

    def lost(self, error: Exception, size: int) -> None:
        """Say that a call is not recorded: raise it, or count it. A call that redaction refuses is never let through."""
        name = "refused" if isinstance(error, Refused) else "dropped"
        self.counts.dropped(error, size, name=name)
        if self.strict:
            raise error

    def close(self) -> None:
        """Leave the journal to whoever drains it, with the number of calls that it does not have."""
        lost = self.counts.as_dict()["dropped"]
        if lost:
            try:
                self.journal.append(Entry(LOST, {"calls": lost, "reason": self.counts.as_dict()["last_error"]}, b"", b""))
            except OSError:
                return  # the disk is full still: the counts of this process have said so
            finally:
                self.journal.close()
        self.journal.close()


class _Recording(Turn, Watcher):
    """One call that is being recorded."""

    __slots__ = ("_call", "_chunks", "_done", "_head", "_id", "_recorder", "_scope", "_size", "_span", "_started", "_ticket")

    def __init__(self, recorder: Recorder, call: Call) -> None:
        self._recorder = recorder
        self._call = call
        self._scope = current()
        self._id = recorder.nonce()
        self._chunks: list[bytes] = []
        self._size = 0
        self._done = False
        self._head: tuple[int, Pairs] | None = None
        self._ticket: Ticket | None = None
        self._span = _span() if recorder.options.spans else None
        self._started = recorder.clock()
        if recorder.strict and recorder.options.mode == "spool":
            self._begin()

    def answered(self, status: int, headers: Pairs) -> Watcher | None:
        """See `Turn`. A redirect is no answer: the request that follows it is the call."""
        self._head = (status, headers)
        if 300 <= status < 400 and any(name.lower() == "location" for name, _ in headers):
            self._recorder.counts.add("calls", -1)
            return None
        return self

    def failed(self, error: BaseException) -> None:
        """See `Turn`."""
        self._finish(complete=False, error=error)

    def chunk(self, data: bytes) -> None:
        """See `Watcher`."""
        self._size += len(data)
        if self._size <= self._recorder.options.most_body:
            self._chunks.append(data)

    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        """See `Watcher`."""
        if not self._done:
            self._finish(complete=complete, error=error)

    def _begin(self) -> None:
        exchange = Exchange(self._call.method, self._call.url, self._call.headers, self._call.body or b"", started=self._started)
        self._ticket = self._recorder.journal.begin(entry_of(self._seen(kept(exchange)), begun=True))

    def _finish(self, *, complete: bool, error: BaseException | None) -> None:
        self._done = True
        recorder = self._recorder
        try:
            if self._call.body is None:
                raise self._call.unknown or TypeError("the request's body was never sent whole")
            self._put(self._seen(kept(self._exchange(complete=complete, error=error))))
            recorder.counts.add("recorded")
        except Exception as failure:  # noqa: BLE001 - the border to the host program: counted and visible
            recorder.lost(failure, self._size + len(self._call.body or b""))
        finally:
            self._chunks = []

    def _exchange(self, *, complete: bool, error: BaseException | None) -> Exchange:
        call = self._call
        status, headers = self._head or (None, ())
        said = None if error is None else f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self._size > self._recorder.options.most_body:
            self._recorder.counts.add("shortened")
            complete, said = False, f"the answer has {self._size} bytes, and {self._recorder.options.most_body} are kept"
        return Exchange(
            call.method,
            call.url,
            call.headers,
            call.body or b"",
            status,
            headers,
            b"".join(self._chunks),
            self._started,
            self._recorder.clock(),
            complete,
            said,
            interrupted=type(error).__name__ in _CANCELLED,
        )

    def _seen(self, exchange: Exchange) -> Seen:
        """Return what is written: the exchange and its label, redacted if that is asked for."""
        redact, label = self._recorder.options.redact, self._label()
        if redact is None:
            return Seen(self._id, exchange, label, [])
        exchange, found = redact(plain(exchange))
        told = list(found)
        if label and isinstance(redact, Redactor):
            label, more = redact.value(label, "/label")
            told += more
        return Seen(self._id, exchange, label, told)

    def _label(self) -> dict[str, Any]:
        given = self._recorder.options.label
        return given if self._scope is None else {"session": self._scope.own_session, **given, **self._scope.label()}

    def _put(self, seen: Seen) -> None:
        recorder = self._recorder
        if recorder.options.mode == "commit" and recorder.commit is not None:
            recorded = recorder.commit(seen)
            if self._scope is not None:
                self._scope.recorded.append(recorded)
        elif self._ticket is None:
            recorder.journal.append(entry_of(seen))
        else:
            recorder.journal.end(self._ticket, entry_of(seen))
        if self._span is not None:
            from runstore.capture.spans import mark

            mark(self._span, seen)


def _span() -> Any:
    from runstore.capture.spans import current_span

    return current_span()
