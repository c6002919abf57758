"""Playing: the calls of one test, answered from its recording, or sent and taken down.

The nth call of a test that asks the same gets the nth answer of its recording: of its own, and only where that has no answer at all, of
another test's in the same file. So tests do not depend on one another, and one that was renamed goes on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from runstore.capture.drain import assembled
from runstore.capture.entries import Seen
from runstore.capture.recorder import Options, Recorder
from runstore.capture.redaction import Redactor
from runstore.capture.tap.handler import Call as Sent
from runstore.capture.tap.handler import Turn
from runstore.errors import NotRecorded, RunstoreError
from runstore.model.executions import Execution
from runstore.model.ids import Object
from runstore.model.run import Run
from runstore.reproduce.recordings.files import Call, Recordings
from runstore.reproduce.recordings.kept import Kept, is_served, keep
from runstore.reproduce.recordings.names import shown
from runstore.reproduce.recordings.same import answer, same_answer
from runstore.reproduce.replay.choosing import SEQUENCE, Choice
from runstore.reproduce.replay.library import Asked, Hit, Library, is_answer
from runstore.reproduce.replay.nearest import Candidate, nearest_of
from runstore.reproduce.replay.replayer import Replayer
from runstore.reproduce.replay.replaying import AUTO, REPLAY


class TestLibrary(Library):
    """Answers the calls of one test from a file of recordings, and remembers which it used."""

    __test__ = False

    def __init__(self, recordings: Recordings, ref: str) -> None:
        super().__init__(recordings.repo, Choice(SEQUENCE))
        self._recordings = recordings
        self._ref = ref
        own = [ref] if ref in recordings.calls else []
        self._order = own + [name for name in sorted(recordings.calls) if name != ref]
        self.used: dict[bytes, str] = {}

    def find(self, asked: Asked, caller: str = "") -> Hit:
        """See `Library`."""
        hit = super().find(asked, caller)
        self.used[hit.execution.id] = next(ref for ref in self._order if self._has(ref, hit.execution.id))
        return hit

    def answers(self, request: bytes) -> list[tuple[Object, Execution]]:
        """Return the answers to a request in the order in which they were recorded."""
        for ref in self._order:
            found = [call for call in self._recordings.calls[ref] if call.request == request and _is_answer(call)]
            if found:
                return [(call.object, call.execution) for call in found]
        return []

    def own(self, request: bytes) -> list[Call]:
        """Return the answers to a request in the test's own recording."""
        return [call for call in self._recordings.calls.get(self._ref, ()) if call.request == request]

    def kept(self, call: Call) -> Kept:
        """Return a recorded call with all that it leads to."""
        return self._recordings.kept(call)

    def _has(self, ref: str, execution: bytes) -> bool:
        return any(call.object.id == execution for call in self._recordings.calls[ref])

    def _miss(self, asked: Asked) -> NotRecorded:
        return NotRecorded(self._told(asked.run))

    def _told(self, run: Run) -> str:
        file = self._recordings
        if not file.calls:
            return f"there is no {file.path}" if not file.exists else f"nothing is recorded in {file.path}"
        own = [self._ref] if self._ref in file.calls else []
        for refs in (own, [ref for ref in file.calls if ref != self._ref]):
            found = [Candidate(call.object.link, call.execution.run) for ref in refs for call in reversed(file.calls[ref])]
            with file.repo.read() as reader:
                near = nearest_of(reader, run, found)
            if near is not None:
                ref = next(ref for ref in refs if self._has(ref, near.execution.id))
                number = next(at for at, call in enumerate(file.calls[ref], 1) if call.object.id == near.execution.id)
                first, *others = near.lines
                told = f"the nearest is call {number} of {shown(ref)}, which differs in {first}"
                return "\n".join([told, *(f"  and in {other}" for other in others)])
        return f"nothing like it is recorded in {file.path}"


class Difference(NamedTuple):
    """A call whose new answer is another than the recorded one: its number in the test, and both answers."""

    number: int
    old: object
    new: object


class Player(Replayer):
    """The handler of one test's calls. `fail` makes of a miss the exception that ends the test.

    `taken` holds the calls that were sent, in the order in which they began; `unserved` counts those that no recording can answer, by
    their status; `secrets` says what in them looks like a secret, and where.
    """

    def __init__(self, library: TestLibrary, mode: str, fail: Callable[[RunstoreError, Sent], BaseException]) -> None:
        live = None if mode == REPLAY else Recorder(Options("", "commit", "raise"), commit=self._take)
        super().__init__(library, live, answers=mode in (REPLAY, AUTO))
        self._own = library
        self._fail = fail
        self._guard = threading.Lock()
        self._taken: list[tuple[int, bytes, Kept]] = []
        self.unserved: Counter[str] = Counter()
        self.secrets: dict[str, None] = {}
        self._redactor = None if live is None else Redactor()
        self.failure: BaseException | None = None

    @property
    def used(self) -> dict[bytes, str]:
        """The executions that answered, with the ref of the recording that each is of."""
        return self._own.used

    @property
    def taken(self) -> list[Kept]:
        """What was recorded."""
        return [kept for _, _, kept in sorted(self._taken, key=lambda one: one[0])]

    def start(self, call: Sent) -> Turn:
        """See `Handler`. Raises what `fail` makes of a miss, or of a file that is damaged."""
        try:
            return super().start(call)
        except RunstoreError as error:
            self.failure = self.failure or self._fail(error, call)
            raise self.failure from None

    def compared(self) -> tuple[int, list[Difference], int]:
        """Return how many new answers are the nth recorded one to what was asked, those that are not, and how many have none to compare."""
        agreed = unknown = 0
        differences: list[Difference] = []
        seen: Counter[bytes] = Counter()
        for number, (_, request, new) in enumerate(sorted(self._taken, key=lambda one: one[0]), 1):
            recorded = self._own.own(request)
            at = seen[request]
            seen[request] += 1
            if at >= len(recorded):
                unknown += 1
                continue
            old = self._own.kept(recorded[at])
            if same_answer(old, new):
                agreed += 1
            else:
                differences.append(Difference(number, answer(old), answer(new)))
        return agreed, differences, unknown

    def _take(self, seen: Seen) -> None:
        made = assembled(seen)
        if made is None:
            return
        with self._guard:
            if is_served(made):
                self.secrets |= dict.fromkeys(f"{one['rule']} at {one['at']}" for one in self._secrets(seen))
                self._taken.append((seen.exchange.started or 0, made.run.request_id, keep(made)))
            else:
                self.unserved[made.fields["status"]] += 1

    def _secrets(self, seen: Seen) -> Sequence[dict[str, str]]:
        return () if self._redactor is None else self._redactor(seen.exchange)[1]


def _is_answer(call: Call) -> bool:
    return is_answer(call.execution)
