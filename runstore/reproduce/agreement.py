"""How answers to one request agree: with the one that was recorded, and with one another. Pure but for reading outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from runstore.model.ids import Link
from runstore.query.calls import calls_in
from runstore.query.compare import first_difference
from runstore.query.content import one_line, text_of
from runstore.query.textdiff import KeyChange, diff_keys, exactly_same

_ENDS = frozenset(("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason"))
_PREVIEW = 120


class Answered(NamedTuple):
    """One answer. `output` is its link (None: there was none), `runtime` what answered, None where nothing was said of it."""

    execution: Link
    status: str | None
    output: Link | None
    value: Any
    runtime: dict[str, Any] | None
    ends: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True if this is a whole answer, and so one that can be compared."""
        return self.status == "ok"


class Variant(NamedTuple):
    """One of the answers that were given: how often, and whether it is byte for byte the recorded one."""

    output: Link | None
    times: int
    share: float
    recorded: bool
    preview: str
    executions: tuple[Link, ...]


class Agreement(NamedTuple):
    """How a number of answers agree.

    `asked` counts all, `failed` those that are no complete answer; all else is about the complete ones. `equal` counts those that are byte
    for byte the recorded one, `same_calls` and `same_ends` those with the recorded tool calls (by name and argument) and finish reasons;
    all three are None where nothing complete was recorded. `variants` come most frequent first. `first_difference` is between the recorded
    answer and the most frequent other one, or else between the two most frequent. `served` are the runtimes that answered, with counts,
    `served_changes` the keys in which the most frequent differs from the recorded.
    """

    asked: int
    failed: int
    equal: int | None
    variants: tuple[Variant, ...]
    first_difference: str | None
    same_calls: int | None
    same_ends: int | None
    ends: dict[str, int]
    served: tuple[tuple[dict[str, Any] | None, int], ...]
    served_changes: tuple[KeyChange, ...]

    @property
    def complete(self) -> int:
        """How many complete answers came."""
        return self.asked - self.failed

    @property
    def reproduced(self) -> bool:
        """True if answers came, and every one is the recorded one; where none was recorded, if they are all the same."""
        if not self.complete or self.failed:
            return False
        return len(self.variants) == 1 if self.equal is None else self.equal == self.complete


def agreement(recorded: Answered | None, answers: Sequence[Answered]) -> Agreement:
    """Return how answers agree with the recorded one (None: there is none to compare with) and with one another."""
    reference = recorded if recorded is not None and recorded.complete else None
    complete = [answer for answer in answers if answer.complete]
    variants = tuple(_variants(reference, complete))
    served = _counted([answer.runtime for answer in complete])
    ends = Counter(end for answer in complete for end in answer.ends)
    return Agreement(
        asked=len(answers),
        failed=len(answers) - len(complete),
        equal=_count(reference, complete, lambda old, new: old.output == new.output),
        variants=variants,
        first_difference=_first(reference, complete, variants),
        same_calls=_count(reference, complete, lambda old, new: _calls(old) == _calls(new)),
        same_ends=_count(reference, complete, lambda old, new: old.ends == new.ends),
        ends=dict(ends.most_common()),
        served=served,
        served_changes=diff_keys(reference.runtime or {}, served[0][0] or {}) if reference is not None and served else (),
    )


def verdict(found: Agreement) -> str:
    """Return in words what an agreement says."""
    if not found.complete:
        return f"no answer: all of {found.asked} calls failed" if found.asked != 1 else "no answer: the call failed"
    failed = f"; {found.failed} more failed" if found.failed else ""
    many = f"{found.complete} answers" if found.complete != 1 else "the answer"
    if found.equal is None:
        said = f"{many} agree" if len(found.variants) == 1 else f"{len(found.variants)} different answers in {found.complete}"
        return f"nothing complete was recorded to compare with: {said}{failed}"
    if found.equal == found.complete:
        said = f"all {many} are" if found.complete != 1 else f"{many} is"
        return f"reproduced: {said} byte for byte the recorded one{failed}"
    alike = "" if found.complete == 1 else _alike(found)
    if found.equal:
        return f"reproduced in part: {found.equal} of {many} are byte for byte the recorded one{failed}"
    said = f"none of {many} is" if found.complete != 1 else f"{many} is not"
    return f"not reproduced: {said} the recorded one{alike}{failed}"


def finish_reasons(response: Any) -> tuple[str, ...]:
    """Return why an answer ended, from what was kept of the response: one reason a choice."""
    body = response.get("body") if isinstance(response, dict) else None
    found = tuple(_ends(body))
    if not found and isinstance(body, dict) and body.get("object") == "response":
        return (str(body.get("status")),)
    return found


def _alike(found: Agreement) -> str:
    return "; they are all the same" if len(found.variants) == 1 else f"; they are {len(found.variants)} different ones"


def _variants(reference: Answered | None, complete: list[Answered]) -> Iterator[Variant]:
    groups: dict[Link | None, list[Answered]] = {}
    for answer in complete:
        groups.setdefault(answer.output, []).append(answer)
    for output, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        same = reference is not None and reference.output == output
        preview = one_line(text_of(group[0].value), _PREVIEW)
        yield Variant(output, len(group), len(group) / len(complete), same, preview, tuple(answer.execution for answer in group))


def _first(reference: Answered | None, complete: list[Answered], variants: tuple[Variant, ...]) -> str | None:
    values = {answer.output: answer.value for answer in reversed(complete)}
    others = [values[variant.output] for variant in variants if not variant.recorded]
    if reference is not None:
        return first_difference(reference.value, others[0]) if others else None
    return first_difference(others[0], others[1]) if len(others) > 1 else None


def _count(reference: Answered | None, complete: list[Answered], test: Callable[[Answered, Answered], bool]) -> int | None:
    return None if reference is None else sum(test(reference, answer) for answer in complete)


def _calls(answer: Answered) -> list[Any]:
    return [(call.name, call.arguments) for call in calls_in(answer.value)]


def _counted(runtimes: list[dict[str, Any] | None]) -> tuple[tuple[dict[str, Any] | None, int], ...]:
    found: list[tuple[dict[str, Any] | None, int]] = []
    for runtime in runtimes:
        at = next((number for number, (known, _) in enumerate(found) if exactly_same(known, runtime)), None)
        if at is None:
            found.append((runtime, 1))
        else:
            found[at] = (found[at][0], found[at][1] + 1)
    return tuple(sorted(found, key=lambda item: -item[1]))


def _ends(body: Any) -> Iterator[str]:
    """Yield the finish reasons in a body: they stand at its top or in the maps of a list there."""
    if not isinstance(body, dict):
        return
    yield from (value for key, value in body.items() if key in _ENDS and isinstance(value, str))
    for item in body.values():
        if isinstance(item, list):
            for each in item:
                if isinstance(each, dict):
                    yield from (value for key, value in each.items() if key in _ENDS and isinstance(value, str))
