"""The handler of the tap that answers calls from a library, and says what it answered."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from runstore.capture.scopes import current
from runstore.capture.tap.handler import PASS, Call, Handler, Reply, Turn
from runstore.capture.wanted import wanted
from runstore.errors import NotRecorded
from runstore.reproduce.replay.library import Asked, Hit, Library


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

    With `answers` off nothing is answered: all goes to `live`; and with `compare` `requests` keeps what was asked, and the executions that
    answered it before. `ref` is where calls that were answered through normalisers are taken down, None: nowhere. `tell` is told each hit
    and miss, as a map that can be summed.
    """

    def __init__(
        self,
        library: Library,
        live: Handler | None = None,
        *,
        answers: bool = True,
        compare: bool = False,
        ref: str | None = None,
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._library = library
        self._live = live
        self._answers = answers
        self._compare = compare
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
        if not self._answers:
            return self._sent(call)
        asked = self._library.read(call)
        if asked is None:
            return self._missed(_unread(call), call)
        scope = current()
        try:
            hit = self._library.find(asked, (scope.path or "") if scope is not None else "")
        except NotRecorded as error:
            return self._missed(error, call)
        with self._lock:
            self.hits += 1
            self.normalised.update(hit.normalisers)
        if hit.normalisers and self._ref is not None:
            self._take_down(asked, hit, self._ref)
        self._tell({"hits": 1, "normalised": list(hit.normalisers)})
        return Replayed(hit)

    def _sent(self, call: Call) -> Turn:
        asked = self._library.read(call) if self._compare else None
        if asked is not None:
            request = asked.run.request_id
            self.requests.setdefault(request, frozenset(obj.id for obj, _ in self._library.answers(request)))
        self._tell({"sent": 1})
        return PASS if self._live is None else self._live.start(call)

    def _take_down(self, asked: Asked, hit: Hit, ref: str) -> None:
        scope = current()
        label = scope.label() if scope is not None else {}
        notes = {**label.get("notes", {}), **{key: label[key] for key in ("session", "scope") if key in label}}
        self._library.take_down(asked, hit, notes, label.get("ref", ref))

    def _missed(self, error: NotRecorded, call: Call) -> Turn:
        with self._lock:
            self.missed += 1
            if len(self.misses) < 100:
                self.misses.append(error)
        self._tell({"missed": 1, "misses": [str(error)]})
        if self._live is not None:
            return self._live.start(call)
        raise error


def _unread(call: Call) -> NotRecorded:
    if call.unknown is not None:
        return NotRecorded(str(call.unknown), hint=call.unknown.hint)
    return NotRecorded(f"{call.method} {call.url.partition('?')[0]} cannot be read before it is sent")


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
