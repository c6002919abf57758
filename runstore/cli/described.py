"""Executions as `--json` tells them: the same keys wherever one stands (docs/json.md, "An execution")."""

from __future__ import annotations

from typing import Any

from runstore.cli import times
from runstore.cli.ids import text_of
from runstore.model.executions import Execution
from runstore.model.ids import Link
from runstore.query.summary import Summary


def execution(link: Link, found: Execution) -> dict[str, Any]:
    """Return an execution as JSON: ids in full, links as kind:id, what was not recorded as null."""
    return {
        "execution": link.hex,
        "run": None if found.run is None else found.run.hex,
        "parents": [parent.hex for parent in found.parents],
        "status": found.status,
        "started": found.started,
        "started_utc": None if found.started is None else times.utc(found.started),
        "ended": found.ended,
        "ended_utc": None if found.ended is None else times.utc(found.ended),
        "actor": found.actor,
        "message": found.message,
        "cause": text_of(found.cause),
        "output": text_of(found.output),
        "response": text_of(found.response),
        "wire": text_of(found.wire),
        "usage": found.usage,
        "notes": found.notes,
        "nonce": found.nonce,
        "extra_fields": found.extra,
    }


def summary(found: Summary) -> dict[str, Any]:
    """Return a summary as JSON."""
    return {
        "model": found.model or None,
        "served": found.served,
        "tokens": {"input": found.tokens.input, "output": found.tokens.output},
        "question": found.question,
        "answer": found.answer,
    }
