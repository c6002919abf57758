"""Changes of refs as people and programs read them."""

from __future__ import annotations

from typing import Any

from runstore.cli import times
from runstore.cli.ids import Shortener, text_of
from runstore.refs import Change


def arrow(change: Change, short: Shortener) -> str:
    """Return where a ref stood and stands: `3f9a12cd → 77ab09de`, `made at …`, `removed, was …`."""
    if change.new is None:
        return "removed" + ("" if change.old is None else f", was {short(change.old)}")
    return f"made at {short(change.new)}" if change.old is None else f"{short(change.old)} → {short(change.new)}"


def as_json(change: Change) -> dict[str, Any]:
    """Return a change for `--json`: links as kind:id, null where there was or is no ref."""
    return {
        "ref": change.ref,
        "old": text_of(change.old),
        "new": text_of(change.new),
        "time": change.time,
        "time_utc": times.utc(change.time),
        "actor": change.actor,
        "action": change.action,
        "message": change.message,
    }
