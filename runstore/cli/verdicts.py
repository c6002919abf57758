"""Verdicts on runs: as a line, as a list with all that was found, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runstore.cli import safe
from runstore.cli.output import Output
from runstore.cli.preview import wrap_words
from runstore.runs.completeness import COMPLETE, REPEATABLE, Finding, Verdict

_SIGNS = {True: "+", False: "-", None: "?"}
_INDENT = 4
_STYLES = {True: "green", False: "red", None: "yellow"}


def line(verdict: Verdict, name: str) -> str:
    """Return one verdict on one line: yes or no, and why not. Slots that are unknown are told together."""
    holds = verdict.complete if name == COMPLETE else verdict.repeatable
    against = [finding for finding in verdict.reasons if finding.verdict == name]
    if any(finding.code == "not-complete" for finding in against):
        return "no: it is not complete"
    unknown = [slot for slot in verdict.slots if any(finding.slot == slot and finding.code == "unknown-slot" for finding in against)]
    reasons = [f"{', '.join(unknown)} unknown"] if unknown else []
    reasons += [finding.says for finding in against if finding.code != "unknown-slot"]
    if not reasons:
        reasons = [finding.says for finding in verdict.unknowable if finding.verdict == name]
    return safe.line(("yes" if holds else "no") + (": " if reasons else "") + "; ".join(reasons))


def lines(verdict: Verdict, out: Output) -> Iterator[str]:
    """Yield both verdicts with everything that was found: `+` speaks for it, `-` against it, `?` cannot be known."""
    for name, holds in ((COMPLETE, verdict.complete), (REPEATABLE, verdict.repeatable)):
        yield f"{name.ljust(10)}  {out.paint('yes' if holds else 'no', _STYLES[holds], 'bold')}"
        for sign, says in _told([finding for finding in verdict.findings if finding.verdict == name], list(verdict.slots)):
            first, *more = wrap_words(safe.line(says), out.width - _INDENT)
            yield f"  {out.paint(_SIGNS[sign], _STYLES[sign])} {first}"
            yield from (" " * _INDENT + text for text in more)


def _told(findings: list[Finding], order: list[str]) -> Iterator[tuple[bool | None, str]]:
    """Yield what was found; unknown slots are told together, in the order of the slots."""
    unknown = sorted((found.slot for found in findings if found.slot and found.code == "unknown-slot"), key=order.index)
    if unknown:
        them = "it" if len(unknown) == 1 else "them"
        yield False, f"{', '.join(unknown)} unknown: nobody recorded {them}; record what was not given as absent"
    yield from ((found.holds, found.says) for found in findings if found.code != "unknown-slot")


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return both verdicts as JSON."""
    return {
        "complete": verdict.complete,
        "repeatable": verdict.repeatable,
        "slots": verdict.slots,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code,
        "verdict": found.verdict,
        "slot": found.slot,
        "place": found.place or None,
        "holds": found.holds,
        "says": found.says,
    }
