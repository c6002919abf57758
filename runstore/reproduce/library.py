"""The verbs of reproducing as functions of a repo: the twins of `runstore rerun`, `runstore bisect` and `bisect --over`.

This is the only part of reproducing that looks at the environment: for the keys of services, at the moment of the call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runstore.query.paths import parse_path
from runstore.repo import Repo
from runstore.reproduce.asking import Surroundings
from runstore.reproduce.bisect.along import Turn, first_bad
from runstore.reproduce.bisect.options import Options, Progress
from runstore.reproduce.bisect.running import Bisection
from runstore.reproduce.bisect.running import bisect as bisect_between
from runstore.reproduce.bisect.sampling import plan
from runstore.reproduce.bisect.trials import Judge
from runstore.reproduce.recorded import blobs
from runstore.reproduce.rerun import Rerun
from runstore.reproduce.rerun import rerun as ask_again
from runstore.reproduce.send import TIMEOUT
from runstore.reproduce.setting import Setting, parse_removal


def rerun(
    repo: Repo,
    revision: str,
    *,
    times: int = 1,
    change: Mapping[str, Any] | None = None,
    remove: Iterable[str] = (),
    concurrency: int = 1,
    ref: str | None = None,
    against: str | None = None,
    key_from: str | None = None,
    timeout: float = TIMEOUT,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Rerun:
    """Ask a recorded request again, record each answer, and return how they agree: `.agreement`, `.executions`.

    `change` maps paths to values (`{"parameters.temperature": 0}`), `remove` names paths; both make another run. `against` is another
    service, `key_from` the variable that holds its key. Raises InvalidInput, Incomplete or NotFound before anything is sent.
    """
    settings = [Setting(parse_path(path), value).checked() for path, value in (change or {}).items()]
    settings += [parse_removal(path) for path in remove]
    around = _around(repo, against, key_from, timeout)
    return ask_again(repo, revision, around, times=times, settings=settings, concurrency=concurrency, ref=ref, progress=progress)


def bisect(
    repo: Repo,
    good: str,
    bad: str,
    judge: Judge,
    *,
    label: str = "",
    samples: int = 1,
    threshold: float = 0.5,
    ask: bool = True,
    fresh: bool = False,
    most: int | None = None,
    against: str | None = None,
    key_from: str | None = None,
    timeout: float = TIMEOUT,
    progress: Progress = lambda step: None,
) -> Bisection:
    """Find the changes that turned a good run bad.

    `judge` is given each trial (`.answer`, `.request`, `.run`, `.execution`) and returns "good", "bad" or "skip". `label` names it: with
    the same label, a bisect of the same two runs goes on where the last one was interrupted. The rest is as on the command line.
    Raises as `bisect.running.bisect`.
    """
    options = Options(plan(samples, threshold), ask, fresh, most, label, progress)
    return bisect_between(repo, good, bad, judge, _around(repo, against, key_from, timeout), options)


def bisect_over(
    repo: Repo,
    ref: str,
    judge: Judge,
    *,
    good: str | None = None,
    bad: str | None = None,
    label: str = "",
    most: int | None = None,
    progress: Progress = lambda step: None,
) -> Turn:
    """Find the first bad execution of a log, by the answers recorded there. `judge` and `label` as for `bisect`."""
    options = Options(most=most, label=label, progress=progress)
    return first_bad(repo, ref, judge, _around(repo, None, None, TIMEOUT), options, good=good, bad=bad)


def _around(repo: Repo, against: str | None, key_from: str | None, timeout: float) -> Surroundings:
    return Surroundings(os.environ, repo.now, blobs(repo.fetch), against, key_from, timeout)
