"""The slots of a run: their names, and what each may link to.

Source: docs/spec/identity.md, "Runs".
"""

from __future__ import annotations

from runstore.model.ids import Kind

SETTINGS_SLOTS = frozenset(("model", "parameters", "runtime", "environment"))
"""Slots that hold settings: compared as data."""

VALUE_SLOTS = frozenset(("prompt", "output_format", "extra"))
"""Slots that hold a value: kept exactly."""

LIST_SLOTS = frozenset(("documents", "tools", "history"))
"""Slots that hold a list of values."""

CORE_SLOTS = ("model", "prompt", "parameters", "documents", "tools", "history", "runtime")
"""Slots that every run states, in the order in which people read them."""

FURTHER_SLOTS = ("output_format", "extra", "environment")
"""Slots that a run may state besides, for which the format says what they are."""


def kind_of_slot(name: str) -> Kind | None:
    """Return the kind that a slot has to link to; None for a name that the format leaves open."""
    if name in LIST_SLOTS:
        return Kind.LIST
    return Kind.VALUE if name in SETTINGS_SLOTS or name in VALUE_SLOTS else None
