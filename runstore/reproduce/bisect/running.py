"""Bisect: which of the changes between a good and a bad run turned the answer.

Coarse changes first; those that are found are taken apart until nothing is left to take apart. What is found is bad by itself, and each of
it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runstore.errors import InvalidInput
from runstore.model.ids import Link
from runstore.model.run import Run
from runstore.repo import Repo
from runstore.reproduce.asking import Surroundings
from runstore.reproduce.bisect.changes import Between, Change
from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP, minimal
from runstore.reproduce.bisect.options import Options, asked_for, digest, expect, how
from runstore.reproduce.bisect.senders import Senders
from runstore.reproduce.bisect.trials import Enough, Judge, Trials, is_answer
from runstore.reproduce.recorded import Recorded, recorded


class Bisection(NamedTuple):
    """What turned a good run bad.

    `changes` made to the good run are bad; without any one of them it is not, if `finished`. `of` is the number of changes that there were
    to begin with, `left` names slots that differ and are never asked for. `run` is the good run with just these changes, `execution` an
    answer to it, None where nothing was asked. `unjudged` counts mixes that could not be judged, `trials` all compositions, `remembered`
    those judged before this call, `asked` the answers that were asked for. `confidence` is that of the result, None for one answer a
    composition, where it rests on the model being deterministic.
    """

    good: Link | None
    bad: Link | None
    ref: str
    changes: tuple[Change, ...]
    of: int
    left: tuple[str, ...]
    finished: bool
    run: Link | None
    execution: Link | None
    unjudged: int
    trials: int
    remembered: int
    asked: int
    confidence: float | None


def bisect(repo: Repo, good: str, bad: str, judge: Judge, around: Surroundings, options: Options = Options()) -> Bisection:  # noqa: B008
    """Find the changes between two recorded runs that turned a good answer bad.

    Raises InvalidInput if the two ask the same, or are not judged good and bad; Incomplete where answers are wanted and the requests are
    not recorded; Unavailable where the service does not answer: what was tried is kept, and the same call goes on from there.
    """
    if options.most is not None and options.most < 2:
        raise InvalidInput("the two ends alone are two trials", hint="allow at least as many", kind="bad-plan")
    sides = recorded(repo, good), recorded(repo, bad)
    old, new = (asked_for(side, options) for side in sides)
    between = Between(old, new)
    if not between.changes:
        raise InvalidInput(
            f"{good} and {bad} ask the same, so no change of theirs can have turned the answer",
            hint="`runstore rerun` tells whether answers vary, `runstore drift` whether what answers has changed",
            kind="no-change",
        )
    senders = Senders([sides[1], sides[0]], around, asks=options.ask)
    taken = not options.fresh and around.against is None
    trials = Trials(
        repo,
        f"bisect/{_name(sides, around, options)}",
        judge,
        senders,
        plan=options.plan,
        answers=options.ask,
        recorded=taken,
        most=options.most,
        progress=options.progress,
    )
    search = _Search(trials, between, sides if taken else (None, None))
    search.ends(good, bad)
    found, finished = search.narrowed()
    run, execution = search.made(found)
    confidence = search.confidence(found, finished) if options.plan.samples > 1 else None
    return Bisection(
        good=_execution(sides[0]),
        bad=_execution(sides[1]),
        ref=trials.ref,
        changes=tuple(found),
        of=len(between.changes),
        left=tuple(_left(sides[0], sides[1], {*old, *new})),
        finished=finished,
        run=run,
        execution=execution,
        unjudged=search.unjudged,
        trials=trials.trials,
        remembered=trials.remembered,
        asked=trials.asked,
        confidence=confidence,
    )


class _Search:
    """Narrows the changes between two sides."""

    def __init__(self, trials: Trials, between: Between, named: Sequence[Recorded | None]) -> None:
        self._trials = trials
        self._between = between
        self._named = [None if side is None or side.execution is None else side.execution for side in named]
        self._least: list[Change] = list(between.changes)
        self._unjudged: set[str] = set()

    @property
    def unjudged(self) -> int:
        """How many mixes could not be judged."""
        return len(self._unjudged)

    def ends(self, good: str, bad: str) -> None:
        """Judge the two sides. Raises InvalidInput unless the one is good and the other bad."""
        expect(GOOD, self._verdict([]), good)
        expect(BAD, self._verdict(list(self._between.changes)), bad)

    def narrowed(self) -> tuple[list[Change], bool]:
        """Return the least changes that are bad, and whether none can be left out of them."""
        try:
            found = minimal(self._verdict, self._between.changes)
            while any(change.parts for change in found):
                finer = [part for change in found for part in change.parts or (change,)]
                found = minimal(self._verdict, finer)
            return found, True
        except Enough:
            return self._least, False

    def confidence(self, found: Sequence[Change], finished: bool) -> float:
        """Return the confidence of all that the result says together, each composition judged by all samples (Bonferroni)."""
        said: list[list[Change]] = [[], list(found)]
        if finished and len(found) > 1:
            said += [[other for other in found if other is not one] for one in found]
        doubt = 0.0
        for changes in said:
            if self._verdict(changes, all=True) != SKIP:
                doubt += 1 - self._trials.confidence(self._key(changes))
        return max(0.0, 1 - doubt)

    def made(self, changes: Sequence[Change]) -> tuple[Link | None, Link | None]:
        """Return the run that is the good side with these changes, and the answer to it that was judged."""
        return self._trials.judged(self._key(changes))

    def _verdict(self, changes: list[Change], *, all: bool = False) -> str:
        slots = self._between.slots(changes)
        places = [change.place for change in changes]
        key = self._key(changes)
        verdict = self._trials.verdict(key, slots, places, self._named_for(changes), all=all)
        if verdict == BAD and len(changes) < len(self._least):
            self._least = changes
        if verdict == SKIP:
            self._unjudged.add(key)
        return verdict

    def _key(self, changes: Sequence[Change]) -> str:
        return Run(slots=self._between.slots(changes)).request_id.hex()

    def _named_for(self, changes: list[Change]) -> Link | None:
        """Return the answer recorded for one of the sides, where the composition is that side's."""
        whole = {atom for change in self._between.changes for atom in change.atoms}
        made = {atom for change in changes for atom in change.atoms}
        side = self._named[0] if not made else self._named[1] if made == whole else None
        return None if side is None or not is_answer(side.fields) else side.link


def _execution(side: Recorded) -> Link | None:
    return None if side.execution is None else side.execution.link


def _left(old: Recorded, new: Recorded, asked: set[str]) -> Iterator[str]:
    """Yield the slots that differ and are not asked for."""
    for name in ("runtime", "environment"):
        if name not in asked and old.run.slots.get(name) != new.run.slots.get(name):
            yield name


def _name(sides: Sequence[Recorded], around: Surroundings, options: Options) -> str:
    ends = [side.run.id.hex() if side.execution is None else side.execution.id.hex() for side in sides]
    return digest("changes", *ends, how(around, options))
