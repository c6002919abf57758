"""The slots of a run: their names, what each may link to, and what they make: a run, and what was asked in it.

Source: docs/spec/identity.md, "Runs".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runstore.errors import Refused
from runstore.model.ids import Kind, Link, object_id
from runstore.model.trees import UNKNOWN, Slot, tree_body

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


READING_ORDER = (*CORE_SLOTS, *FURTHER_SLOTS)
"""The slots that the format names, in the order in which people read them."""


def in_reading_order(names: Iterable[str]) -> list[str]:
    """Return names of slots, each once: those that the format names in the order in which people read them, then others by name."""
    given = {*names}
    return [name for name in READING_ORDER if name in given] + sorted(given.difference(READING_ORDER))


def kind_of_slot(name: str) -> Kind | None:
    """Return the kind that a slot has to link to; None for a name that the format leaves open."""
    return _KINDS.get(name)


_KINDS = {**dict.fromkeys(SETTINGS_SLOTS | VALUE_SLOTS, Kind.VALUE), **dict.fromkeys(LIST_SLOTS, Kind.LIST)}


def check_slot_kind(name: str, slot: Link) -> None:
    """Raise Refused unless a slot of a run with this name may link to this kind."""
    wanted = kind_of_slot(name)
    if wanted is not None and slot.kind is not wanted:
        raise Refused(f"the slot {name} links to a {slot.kind.label}, not to a {wanted.label}", kind="bad-run")


_CORE = frozenset(CORE_SLOTS)


def is_run(slots: Mapping[str, Slot]) -> bool:
    """True if these are the slots of a run: a tree that states all seven core slots is one wherever it is read."""
    return slots.keys() >= _CORE


def request_id(slots: Mapping[str, Slot]) -> bytes:
    """Return the id of what was asked in the run of these slots: of the same tree with its runtime unknown."""
    return object_id(Kind.TREE, tree_body({**slots, "runtime": UNKNOWN}))
