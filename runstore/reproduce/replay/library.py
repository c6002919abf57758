"""The recorded answers of a store, by request id: complete ones with status ok, and no others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from runstore.capture.codecs import Answer, Codec, codec_for, older_versions
from runstore.capture.codecs.tool_call import TOOL
from runstore.capture.tap.handler import Call
from runstore.errors import InvalidInput, LimitExceeded, NotRecorded
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import ID_BYTES, Kind, Link, Object
from runstore.model.lists import elements
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.recorded import blobs
from runstore.reproduce.replay.choosing import Choice, Chooser
from runstore.reproduce.replay.nearest import nearest
from runstore.reproduce.replay.normalising import Index, Normaliser
from runstore.reproduce.replay.serving import Form, Served, form_of, served
from runstore.runs.lookup import executions_of, runs_of_request
from runstore.runs.view import ExecutionView, read_content

_KEPT_BYTES = 16 << 20
_MOST_BYTES = 1 << 28


def is_answer(execution: Execution) -> bool:
    """True for a whole answer: one with status ok, or an error, which counts as one where a tool raised it.

    What was itself answered from the record, through normalisers, is none.
    """
    return execution.status in ("ok", "error") and execution.response is not None and "replayed" not in (execution.notes or {})


class Asked(NamedTuple):
    """A call, read: its codec, its run and the envelope in which it lies; `older` are the request ids that older versions gave it."""

    codec: Codec
    run: Run
    wire: Mapping[str, Any]
    url: str
    older: tuple[bytes, ...] = ()


class Hit(NamedTuple):
    """The response to a call, and the execution that it is the answer of; `normalisers` are those without which it was not found."""

    execution: Link
    response: Served
    normalisers: tuple[str, ...] = ()


class Library:
    """Answers calls from one store. Threads may share it.

    What it keeps of answers is bounded. With normalisers it keeps an index of the requests as well, once one is missed: some hundred bytes
    for each run of the store.
    """

    def __init__(self, repo: Repo, choice: Choice = Choice(), normalise: Mapping[str, str] | None = None) -> None:  # noqa: B008 - immutable
        """`normalise` are the patterns of normalisers, by name."""
        self._repo = repo
        self._index = Index(Normaliser(normalise)) if normalise else None
        self._chooser = Chooser(choice)
        self._made: OrderedDict[tuple[bytes, Form], Served] = OrderedDict()
        self._bytes = 0

    def read(self, call: Call) -> Asked | None:
        """Return what a call asks; None for one of no known API, or whose body is not at hand."""
        codec = codec_for(call.url, call.method, call.headers)
        if codec is None or call.body is None:
            return None
        decoded = codec.decode_request(call.url, call.headers, call.body)
        try:
            run = Run(**decoded.slots)
        except InvalidInput:  # what no run can hold is recorded unread
            decoded = codec.keep_request(call.url, call.headers, call.body)
            run = Run(**decoded.slots)
        before = [one.decode_request(call.url, call.headers, call.body) for one in older_versions(codec)]
        return Asked(codec, run, decoded.wire, call.url, tuple(Run(**one.slots).request_id for one in before))

    def find(self, asked: Asked, caller: str = "") -> Hit:
        """Return the recorded answer to a call. Raises NotRecorded, which names the nearest recorded request and what differs from it."""
        key: bytes = asked.run.request_id
        names = frozenset[str]()
        answers = self._answers_to(asked, (key, *asked.older))
        if not answers and self._index is not None:
            with self._repo.read() as reader:
                (key, names), requests = self._index.find(reader, asked.run)
            answers = self._answers_to(asked, requests)
        if caller:
            answers = [one for one in answers if (one[1].notes or {}).get("scope") == caller] or answers
        if not answers:
            raise self._miss(asked)
        chosen, number = self._chooser.choose(answers, key, caller)
        if chosen is None:
            fact = f"the request {asked.run.request_id.hex()[:12]} was answered {len(answers)} times, and this is call {number}"
            raise NotRecorded(fact, hint="--choice latest answers every call", kind="not-recorded")
        response = self._response(asked, *chosen)
        if response is None:
            fact = f"the answer {chosen[0].link.hex[:12]} cannot be given in the form asked for: {asked.codec.name} writes none such"
            raise NotRecorded(fact, hint="record the call in this form, too", kind="no-such-form")
        return Hit(chosen[0].link, response, tuple(sorted(names)))

    def _answers_to(self, asked: Asked, requests: Iterable[bytes]) -> list[tuple[Object, Execution]]:
        tool = asked.codec is TOOL  # what a tool raised is its answer
        found = [one for request in requests for one in self.answers(request) if tool or one[1].status == "ok"]
        return sorted(found, key=lambda one: one[1].started or 0)

    def take_down(self, asked: Asked, hit: Hit, notes: Mapping[str, Any], ref: str | None) -> None:
        """Record that a call was answered through normalisers: an execution of what was asked, which says so and is served to nobody."""
        fields = decode_execution(self._repo.fetch(hit.execution.id).body)
        said = {**notes, "replayed": {"of": hit.execution.hex, "normalisers": list(hit.normalisers)}}
        now = self._repo.now()
        self._repo.add(
            asked.run,
            ref=ref,
            status=fields.status,
            output=fields.output,
            response=fields.response,
            wire=asked.wire or None,
            cause=hit.execution,
            notes=said,
            started=now,
            ended=now,
        )

    def answers(self, request: bytes) -> list[tuple[Object, Execution]]:
        """Return what came to a request, complete answers and errors, in the order in which they began."""
        with self._repo.read() as reader:
            objects = [obj for run in runs_of_request(reader, request) for obj in executions_of(reader, run.id)]
        both = [(obj, decode_execution(obj.body)) for obj in objects]
        return sorted((one for one in both if is_answer(one[1])), key=lambda one: one[1].started or 0)

    def _response(self, asked: Asked, obj: Object, execution: Execution) -> Served | None:
        form = form_of(asked.codec, asked.url, asked.wire)
        key = (obj.id, form)
        found = self._made.get(key)
        if found is not None:
            return found
        fetch = self._repo.fetch
        view = ExecutionView(obj, execution, fetch)
        output = _output(execution.output, fetch)
        runtime = view.run["runtime"] if view.run is not None else None
        answer = Answer(
            str(execution.status),
            output,
            runtime if isinstance(runtime, dict) else None,
            dict(execution.usage) if execution.usage is not None else None,
            view.response,
        )
        made = served(asked.codec, answer, form, blobs(fetch))
        if made is not None:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[bytes, Form], made: Served) -> None:
        self._made[key] = made
        self._bytes += len(made.body)
        while self._bytes > _KEPT_BYTES and len(self._made) > 1:
            try:
                self._bytes -= len(self._made.popitem(last=False)[1].body)
            except KeyError:  # another thread took the last
                return

    def _miss(self, asked: Asked) -> NotRecorded:
        with self._repo.read() as reader:
            found = nearest(reader, asked.run)
        fact = f"no recorded execution answers the request {asked.run.request_id.hex()[:12]}"
        if found is None:
            return NotRecorded(fact, hint="nothing like it is recorded in this store")
        return NotRecorded(
            f"{fact}; the nearest is {found.execution.hex[:12]}, which differs in {found.text}", hint="--mode auto records it"
        )


def _output(link: Link | None, fetch: Callable[[bytes], Object]) -> Any:
    """Return an answer, its messages read. Raises LimitExceeded for more than an answer has: a list may repeat its elements without end."""
    if link is None or link.kind != Kind.LIST:
        return None if link is None else read_content(link, fetch)
    found: list[Any] = []
    size = 0
    for element in elements(link, fetch):
        size += len(fetch(element.id).body) + ID_BYTES
        if size > _MOST_BYTES:
            raise LimitExceeded(f"the answer {link.hex[:12]} has more than {_MOST_BYTES >> 20} MiB, and is not read", kind="limit-exceeded")
        found.append(read_content(element, fetch))
    return found
