"""Verdicts on runs: as a line, as a list with all that was found, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runstore.cli import safe
from runstore.cli.output import Output
from runstore.runs.completeness import COMPLETE, REPEATABLE, Finding, Verdict

_SIGNS = {True: "+", False: "-", None: "?"}
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
        for finding in _in_order(verdict):
            if finding.verdict == name:
                yield f"  {out.paint(_SIGNS[finding.holds], _STYLES[finding.holds])} {safe.line(finding.says)}"


def _in_order(verdict: Verdict) -> list[Finding]:
    """Return the findings, those about unknown slots in the order of the slots."""
    order = list(verdict.slots)
    return sorted(
        verdict.findings, key=lambda found: order.index(found.slot) if found.code == "unknown-slot" and found.slot in order else len(order)
    )


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
