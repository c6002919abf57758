"""Bisect along a log: the first execution whose answer is bad, as `git bisect` finds the first bad commit."""

from __future__ import annotations

from typing import NamedTuple

from runstore.errors import InvalidInput, NotFound
from runstore.model.ids import Link
from runstore.query import peel
from runstore.query.near import brief
from runstore.repo import Repo
from runstore.reproduce.asking import Surroundings
from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP, edge
from runstore.reproduce.bisect.options import Options, asked_for, digest, expect, how
from runstore.reproduce.bisect.senders import Senders
from runstore.reproduce.bisect.trials import Judge, Trials, is_answer
from runstore.reproduce.recorded import from_execution, view_of
from runstore.runs.lookup import load_execution


class Turn(NamedTuple):
    """Where a log turned bad: `first` is the first bad execution, `before` the last good one before it.

    Where executions between the two could not be judged there are several, oldest first, and it is one of them.
    """

    ref: str
    before: Link
    first: tuple[Link, ...]
    of: int
    trials: int
    remembered: int
    asked: int


def first_bad(
    repo: Repo,
    ref: str,
    judge: Judge,
    around: Surroundings,
    options: Options = Options(),  # noqa: B008
    *,
    good: str | None = None,
    bad: str | None = None,
) -> Turn:
    """Find the first bad execution of a log, by the answers recorded there. `good` and `bad` are its oldest and its newest unless given.

    With several samples, the requests of those that are looked at are asked again for the rest. Raises as `bisect` does.
    """
    chain = _chain(repo, ref, good, bad)
    sides = [from_execution(view_of(repo, link), repo.fetch) for link in (chain[-1], chain[0])]
    senders = Senders(sides, around, asks=options.plan.samples > 1)
    name = digest("over", chain[0].hex, chain[-1].hex, how(around, options))
    trials = Trials(
        repo,
        f"bisect/{name}",
        judge,
        senders,
        plan=options.plan,
        answers=True,
        recorded=False,
        most=options.most,
        progress=options.progress,
    )

    def verdict(link: Link) -> str:
        found = from_execution(view_of(repo, link), repo.fetch)
        assert found.execution is not None
        if not is_answer(found.execution.fields):
            return SKIP
        return trials.verdict(link.hex, asked_for(found, options), [brief(link)], link)

    for link, wanted in ((chain[0], GOOD), (chain[-1], BAD)):
        expect(wanted, verdict(link), brief(link))
    low, high = edge(lambda links: verdict(links[-1]), [], chain[1:])
    first = chain[1:][low:high]
    return Turn(trials.ref, chain[low], tuple(first), len(chain), trials.trials, trials.remembered, trials.asked)


def _chain(repo: Repo, ref: str, good: str | None, bad: str | None) -> list[Link]:
    """Return the executions of a log from the good one to the bad one."""
    with repo.read() as reader:
        at: Link | None = peel.to_execution(reader, repo.resolve(bad or ref).link)
        end = None if good is None else peel.to_execution(reader, repo.resolve(good).link)
        found: list[Link] = []
        while at is not None:
            execution = load_execution(reader, at.id)
            if execution.run is not None:  # a merge has no answer
                found.append(at)
            if at == end:
                break
            at = execution.parents[0] if execution.parents else None
    if end is not None and at is None:
        raise NotFound(f"{good} does not stand on the log of {bad or ref}", hint=f"`runstore log {bad or ref}` lists what does")
    if len(found) < 2:
        raise InvalidInput(f"the log of {bad or ref} holds no two executions to search between", kind="no-change")
    return found[::-1]
