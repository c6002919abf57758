"""Trials: a composition gets an answer, the answer is judged, and both are recorded, so that no trial is ever made twice.

All stands on one ref: answers that were asked for, and behind each a verdict, an execution of the same run without an output whose `cause`
is the answer. An answer that is recorded already, here or elsewhere in the store, is taken instead of asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runstore.errors import Incomplete, InvalidInput, NotFound, Unavailable
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import Id, Link
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.asking import Asked
from runstore.reproduce.bisect.narrowing import BAD, SKIP
from runstore.reproduce.bisect.sampling import Plan, confidence, decided
from runstore.reproduce.bisect.senders import Senders
from runstore.reproduce.recorded import view_of
from runstore.runs.lookup import executions_of, load_execution, runs_of_request
from runstore.runs.view import ListView

NOTE = "bisect"
_AGAIN = "run the same command again, and it goes on from here"
_PASSING = frozenset((401, 403, 404, 407, 408, 409, 429))


class Trial(NamedTuple):
    """What is judged: a run, the request as it is sent, and an answer to it with its execution.

    Both are None where nothing is asked. `request` is the body; where nobody recorded how one lies on the wire, the slots as JSON.
    """

    run: Id
    request: bytes
    answer: Any
    execution: Link | None


Judge = Callable[[Trial], str]
"""Says GOOD, BAD or SKIP of a trial."""


class Step(NamedTuple):
    """What was just done: one verdict, by so many answers of which so many were bad.

    `source` is where the last of them comes from: `asked`, `recorded`, `remembered`, or `judged` where there was none.
    """

    number: int
    places: tuple[str, ...]
    verdict: str
    source: str
    bad: int
    of: int


class Enough(Exception):
    """The number of trials that were allowed is used up."""


class Trials:
    """The trials of one bisect. `trials` counts compositions, `asked` answers asked for, `remembered` those judged before."""

    def __init__(
        self,
        repo: Repo,
        ref: str,
        judge: Judge,
        senders: Senders,
        *,
        plan: Plan,
        answers: bool = True,
        recorded: bool = True,
        most: int | None = None,
        progress: Callable[[Step], None] = lambda step: None,
    ) -> None:
        """`answers`: there is an answer to judge. `recorded`: those that are in the store already may be taken.

        `most` is how many compositions may be judged in all.
        """
        self.ref = ref
        self._repo, self._judge, self._senders = repo, judge, senders
        self._plan, self._wants, self._recorded, self._most, self._progress = plan, answers, recorded, most, progress
        self._verdicts: dict[str, list[str]] = {}
        self._answers: dict[str, list[Link]] = {}
        self._runs: dict[str, Link] = {}
        self._judged: dict[str, Link] = {}
        self._used: set[bytes] = set()
        self._told: set[str] = set()
        self._before = self._remember()
        self.asked = 0

    @property
    def trials(self) -> int:
        """How many compositions were wanted so far."""
        return len(self._told)

    @property
    def remembered(self) -> int:
        """How many of them were judged before this began."""
        return len(self._told & self._before)

    def verdict(self, key: str, slots: Mapping[str, Any], places: Sequence[str], named: Link | None = None, *, all: bool = False) -> str:
        """Return what a composition is, known under a key. `named` is an answer to begin with; `all` takes every sample of the plan.

        Raises Unavailable where a service does not answer, and Enough.
        """
        new = key not in self._told
        if new and self._most is not None and len(self._told) >= self._most:
            raise Enough
        self._told.add(key)
        known = self._verdicts.setdefault(key, [])
        source = "remembered"
        while (found := decided(self._plan, known, all=all)) is None:
            source = self._sample(key, slots, places, named)
        if new:
            self._progress(Step(len(self._told), tuple(places), found, source, known.count(BAD), len(known)))
        return found

    def judged(self, key: str) -> tuple[Link | None, Link | None]:
        """Return the run of a composition that was judged, and an answer to it."""
        return self._runs.get(key), self._judged.get(key)

    def confidence(self, key: str) -> float:
        """Return the confidence of a verdict that was given."""
        return confidence(self._plan, self._verdicts[key])

    def _sample(self, key: str, slots: Mapping[str, Any], places: Sequence[str], named: Link | None) -> str:
        """Judge one more answer; return where it came from."""
        try:
            request = self._senders.request(slots)
        except (InvalidInput, Incomplete):
            self._keep(key, Run(slots=slots), places, SKIP, None)
            return "judged"
        if not self._wants:
            run = Run(slots=slots)
            self._keep(key, run, places, self._judge(Trial(run.id, request, None, None)), None)
            return "judged"
        link = next((link for link in self._waiting(key, slots, named) if link.id not in self._used), None)
        source = "recorded"
        if link is None:
            source = "asked"
            link = self._ask(key, slots, places)
            if link is None:
                self._keep(key, Run(slots=slots), places, SKIP, None)
                return source
        view = view_of(self._repo, link)
        assert view.run is not None
        output = list(view.output) if isinstance(view.output, ListView) else view.output
        verdict = self._judge(Trial(view.run.id, request, output, link))
        self._keep(key, Run.from_links(view.run.slots), places, verdict, link)
        return source

    def _waiting(self, key: str, slots: Mapping[str, Any], named: Link | None) -> Iterator[Link]:
        """Yield the answers that may be judged: the one named, those asked for here, then what else is recorded, newest first."""
        if named is not None:
            yield named
        yield from self._answers.get(key, ())
        if self._recorded:
            request = Run(slots=slots).request_id
            with self._repo.read() as reader:
                found = [obj for run in runs_of_request(reader, request) for obj in executions_of(reader, run.id)]
            yield from (obj.link for obj in reversed(found) if is_answer(decode_execution(obj.body)))

    def _ask(self, key: str, slots: Mapping[str, Any], places: Sequence[str]) -> Link | None:
        """Ask, and record what came; return the answer, None for a composition that is refused. Raises Unavailable for no answer at all."""
        try:
            asked = self._senders.ask(slots)
        except (InvalidInput, Incomplete) as error:
            if error.kind == "no-credential":  # says nothing of the composition
                raise
            return None
        self.asked += 1
        notes = {**(asked.fields.get("notes") or {}), NOTE: {"of": key, "changes": list(places)}}
        link = self._repo.add(asked.run, ref=self.ref, **{**asked.fields, "notes": notes}).execution
        if asked.answered:
            self._answers.setdefault(key, []).append(link)
            return link
        status = (asked.fields.get("response") or {}).get("status")
        if status is None or status in _PASSING or status >= 500:
            raise Unavailable(_fact(asked, status), hint=_AGAIN)
        return None

    def _keep(self, key: str, run: Run, places: Sequence[str], verdict: str, answer: Link | None) -> None:
        note = {"of": key, "changes": list(places), "verdict": verdict}
        self._repo.add(run, ref=self.ref, cause=answer, notes={NOTE: note}, message=f"{verdict}: {', '.join(places) or 'no change'}")
        self._verdicts[key].append(verdict)
        self._runs[key] = run.link
        if answer is not None:
            self._used.add(answer.id)
            self._judged[key] = answer

    def _remember(self) -> set[str]:
        """Read what was recorded before; return the keys that have a verdict."""
        with self._repo.read() as reader:
            try:
                at: Link | None = self._repo.resolve(f"heads/{self.ref}").link
            except NotFound:
                at = None
            while at is not None:
                execution = load_execution(reader, at.id)
                note = (execution.notes or {}).get(NOTE)
                if isinstance(note, dict) and isinstance(key := note.get("of"), str):
                    self._take(key, note.get("verdict"), at, execution)
                at = execution.parents[0] if execution.parents else None
        for answers in self._answers.values():
            answers.reverse()
        return {*self._verdicts}

    def _take(self, key: str, verdict: Any, link: Link, execution: Execution) -> None:
        if isinstance(verdict, str):
            self._verdicts.setdefault(key, []).append(verdict)
            if execution.run is not None:
                self._runs.setdefault(key, execution.run)
            if execution.cause is not None:
                self._used.add(execution.cause.id)
                self._judged.setdefault(key, execution.cause)
        elif is_answer(execution):
            self._answers.setdefault(key, []).append(link)


def is_answer(execution: Execution) -> bool:
    """True for a complete answer that can be judged."""
    return execution.status == "ok" and execution.output is not None


def _fact(asked: Asked, status: int | None) -> str:
    error = (asked.fields.get("notes") or {}).get("error")
    return f"the service answered {status}" if status is not None else f"the service did not answer: {error or 'nothing came'}"
