"""Rerun: a recorded request is sent again, each answer is recorded, and what came is compared with what was.

Every answer is an execution of the same request id, on a ref of its own, so that nothing recorded before is moved. With a change, it is
another run, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from typing import Any, NamedTuple

from runstore.errors import InvalidInput
from runstore.model.ids import Id, Link
from runstore.repo import Repo
from runstore.reproduce.agreement import Agreement, Answered, agreement, finish_reasons
from runstore.reproduce.asking import Asked, Asker, Surroundings, asker_for
from runstore.reproduce.recorded import Recorded, recorded, slots_of, view_of
from runstore.reproduce.setting import Setting, changed
from runstore.runs.view import ExecutionView, ListView

Progress = Callable[[int, int], None]


class Rerun(NamedTuple):
    """What a rerun gave. `request` is what was asked now, `recorded_request` what was recorded: `settings` and `against` may change it.

    `recorded` is the execution that answers are compared with, None if there is none. `ref` is the full name of the ref they are on.
    """

    recorded: Link | None
    recorded_request: Id
    request: Id
    settings: tuple[Setting, ...]
    against: str | None
    ref: str
    executions: tuple[Link, ...]
    agreement: Agreement

    @property
    def same_request(self) -> bool:
        """True if the recorded composition was asked, unchanged."""
        return self.request == self.recorded_request


def rerun(
    repo: Repo,
    revision: str,
    around: Surroundings,
    *,
    times: int = 1,
    settings: Sequence[Setting] = (),
    concurrency: int = 1,
    ref: str | None = None,
    progress: Progress = lambda done, of: None,
) -> Rerun:
    """Ask a recorded request again, `times` times, and record each answer as it comes.

    Raises InvalidInput, Incomplete or NotFound before anything is sent. A call that fails is recorded as one that failed.
    """
    if times < 1 or concurrency < 1:
        raise InvalidInput("at least one call, and one at a time, is what a rerun takes", kind="bad-query")
    found = recorded(repo, revision)
    asker = asker_for(found, around)
    slots = changed(slots_of(found.run), settings)
    name = ref or f"rerun/{found.run.request_id.hex()[:12]}"
    notes = {"rerun": _note(found, settings, around.against)}
    made: list[Link] = []
    request = found.run.request_id
    full = name
    # Closed here, and not when somebody collects it: who interrupts does not want the rest, which costs money.
    with closing(_asked(asker, slots, times, concurrency)) as answers:
        for number, asked in enumerate(answers, 1):
            fields = {**asked.fields, "notes": {**(asked.fields.get("notes") or {}), **notes}}
            done = repo.add(asked.run, ref=name, **fields)
            made.append(done.execution)
            request, full = Id(done.request), done.ref
            progress(number, times)
    before = None if found.execution is None else answered(found.execution)
    after = [answered(view_of(repo, link)) for link in made]
    compared = agreement(before, after)
    return Rerun(
        None if found.execution is None else found.execution.link,
        found.run.request_id,
        request,
        tuple(settings),
        around.against,
        full,
        tuple(made),
        compared,
    )


def answered(view: ExecutionView) -> Answered:
    """Return an execution as an answer to compare."""
    runtime = view.run["runtime"] if view.run is not None else None
    value = list(view.output) if isinstance(view.output, ListView) else view.output
    return Answered(
        view.link,
        view.fields.status,
        view.fields.output,
        value,
        runtime if isinstance(runtime, dict) else None,
        finish_reasons(view.response),
    )


def _asked(asker: Asker, slots: dict[str, Any], times: int, concurrency: int) -> Generator[Asked, None, None]:
    if concurrency == 1:
        for _ in range(times):
            yield asker.ask(slots)
        return
    pool = ThreadPoolExecutor(min(concurrency, times))
    try:
        for future in as_completed([pool.submit(asker.ask, slots) for _ in range(times)]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _note(found: Recorded, settings: Sequence[Setting], against: str | None) -> dict[str, Any]:
    note: dict[str, Any] = {"run": found.run.id.hex()}
    if found.execution is not None:
        note["of"] = found.execution.id.hex()
    if settings:
        note["set"] = [setting.text for setting in settings]
    if against is not None:
        note["against"] = against
    return note
