"""What a bisect says: a line a trial while it goes on, and at its end the changes and what they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runstore.cli import safe
from runstore.cli.output import Output, clip, columns, count
from runstore.reproduce.bisect.mixing import NOTHING

if TYPE_CHECKING:
    from runstore.reproduce.bisect.along import Turn
    from runstore.reproduce.bisect.changes import Change
    from runstore.reproduce.bisect.running import Bisection
    from runstore.reproduce.bisect.sampling import Plan
    from runstore.reproduce.bisect.trials import Step

_NAMED = 3
_SHOWN = 12
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "reordered": "~"}
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def step(done: Step) -> str:
    """Return the line for one trial."""
    made = ", ".join(done.places) if len(done.places) < _NAMED else count(len(done.places), "change")
    how = f"{done.bad} of {done.of} bad, {done.source}" if done.of > 1 else done.source
    return f"trial {done.number}: {done.verdict}, with {safe.line(made) or 'no change'} ({how})"


def lines(out: Output, found: Bisection, plan: Plan) -> Iterator[str]:
    """Yield the changes that were found, how, and the verdict."""
    for change in found.changes[:_SHOWN]:
        yield from _change(out, change)
    if len(found.changes) > _SHOWN:
        yield f"… {len(found.changes) - _SHOWN} more"
    yield ""
    rows = [["of", count(found.of, "change")], ["trials", _trials(found) + _unjudged(found)], ["recorded", f"on {safe.line(found.ref)}"]]
    if found.run is not None:
        rows.append(
            ["run", f"{found.run.hex[:12]}, the good one with {'this change' if len(found.changes) == 1 else 'these changes'} alone"]
        )
    if found.confidence is not None:
        sampled = f"exact binomial, {plan.samples} answers each, bad from {plan.threshold:.0%} on"
        rows.append(["confidence", f"{found.confidence:.1%}  {sampled}"])
    if found.left:
        rows.append(["not asked", f"{' and '.join(found.left)} differ too"])
    yield from columns(rows)
    yield ""
    yield safe.line(verdict(found))


def verdict(found: Bisection) -> str:
    """Return in words what turned the answer."""
    places = _some([change.place if change.kind == "changed" else f"{change.place} {change.kind}" for change in found.changes])
    if not found.finished:
        return f"stopped after {count(found.trials, 'trial')}: what turned the answer bad is among {count(len(found.changes), 'change')}"
    if len(found.changes) == 1:
        return f"one change turned the answer bad: {places}"
    return f"{len(found.changes)} changes turned the answer bad together, and each of them is needed: {places}"


def turn(found: Turn) -> Iterator[str]:
    """Yield where a log turned bad."""
    yield from columns(
        [
            ["last good", found.before.hex[:12]],
            *([["first bad" if at == 0 else "", link.hex[:12]] for at, link in enumerate(found.first[:_SHOWN])]),
            ["of", count(found.of, "execution")],
            ["trials", _trials(found)],
            ["recorded", f"on {safe.line(found.ref)}"],
        ]
    )
    yield ""
    yield turn_verdict(found)


def turn_verdict(found: Turn) -> str:
    """Return in words where a log turned bad."""
    if len(found.first) == 1:
        return f"{found.first[0].hex[:12]} is the first bad execution: `runstore diff {found.before.hex[:12]} {found.first[0].hex[:12]}`"
    return f"the first bad execution is one of {len(found.first)}, the others of which cannot be judged"


def _change(out: Output, change: Change) -> Iterator[str]:
    sign = _SIGNS[change.kind]
    yield out.paint(f"{sign} {safe.line(change.place)}{': the order differs' if change.kind == 'reordered' else ''}", "bold")
    for mark, value in (("-", change.old), ("+", change.new)):
        if value is not NOTHING:
            for line in _readable(value):
                yield out.paint(clip(f"    {mark} {safe.text(line)}", max(out.width, 40)), _STYLES[mark])


def _readable(value: Any) -> Sequence[str]:
    from runstore.query.content import as_json

    shown = value.rstrip("\n").split("\n") if isinstance(value, str) else [as_json(value)]
    return shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], "…"]


def _trials(found: Bisection | Turn) -> str:
    parts = [f"{count(found.asked, 'answer')} asked for"]
    if found.remembered:
        parts.append(f"{found.remembered} judged before")
    return f"{found.trials} ({', '.join(parts)})"


def _unjudged(found: Bisection) -> str:
    return f", {found.unjudged} of which could not be judged" if found.unjudged else ""


def _some(places: Sequence[str]) -> str:
    named = ", ".join(places[:_NAMED])
    return named if len(places) <= _NAMED else f"{named} and {len(places) - _NAMED} more"
