"""The report of an import: one row an API, how many calls there were and how exactly they were kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runstore.capture.assemble import Facts
from runstore.model.run import CORE_SLOTS, Run
from runstore.model.trees import UNKNOWN


@dataclass(slots=True)
class Row:
    """Counts of one API. `api` is None for calls that no codec knows; they were left out.

    `decoded`: read into slots. `byte_exact`: rebuilt byte for byte, of bodies that are the wire's. `json_equal`: rebuilt to the same
    JSON, of bodies that the source had parsed. `raw_kept`: the bytes are stored beside or instead of the slots. `served`: the answer
    names the model that answered. `unresolved`: the request points at what it does not hold. `unknown` counts, by slot, what the source
    did not record; `redacted` calls in which something was masked.
    """

    api: str | None
    exchanges: int = 0
    decoded: int = 0
    byte_exact: int = 0
    json_equal: int = 0
    raw_kept: int = 0
    served: int = 0
    unresolved: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    redacted: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row as `--report --json` prints it."""
        return {name: getattr(self, name) for name in Row.__slots__}


class Report:
    """Rows by API."""

    def __init__(self) -> None:
        self._rows: dict[str | None, Row] = {}

    def rows(self) -> list[Row]:
        """Return the rows by name, the calls that no codec knows last."""
        return [self._rows[name] for name in sorted(self._rows, key=lambda name: (name is None, name or ""))]

    def row(self, api: str | None) -> Row:
        """Return the row of an API."""
        return self._rows.setdefault(api, Row(api))

    def left_out(self) -> None:
        """Count a call that no codec knows."""
        self.row(None).exchanges += 1

    def exchange(self, facts: Facts, run: Run, *, wire_exact: bool) -> None:
        """Count a call whose exchange the source has."""
        row = self._count(facts.api, run)
        row.byte_exact += wire_exact and facts.exact
        row.json_equal += not wire_exact and facts.json_equal
        row.raw_kept += facts.raw_kept
        row.served += facts.served is not None
        row.unresolved += bool(facts.unresolved)
        row.redacted += bool(facts.redacted)

    def told(self, api: str, run: Run, *, served: bool, redacted: bool) -> None:
        """Count a call of which the source tells in its own words."""
        row = self._count(api, run)
        row.served += served
        row.redacted += redacted

    def _count(self, api: str, run: Run) -> Row:
        row = self.row(api)
        row.exchanges += 1
        row.decoded += 1
        for slot in CORE_SLOTS:
            if run.slots[slot] is UNKNOWN:
                row.unknown[slot] = row.unknown.get(slot, 0) + 1
        return row
