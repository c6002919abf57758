"""Entries: what a reader of a source yields, one at a time, in the order of the source.

Plain data. `place` says where an entry stands, for messages; `session` names what encloses it, and becomes the ref; `source` is what the
source calls it, from which the nonce comes, so that it must not depend on where the file lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runstore.capture.exchange import Exchange

Session = tuple[str, ...]
"""The parts of a ref name below the format's own: one chain of executions each."""


class Call(NamedTuple):
    """A call of which the source has the exchange itself. `notes` are added to those that the exchange gives."""

    place: str
    session: Session
    source: str
    exchange: Exchange
    notes: Mapping[str, Any] = {}


class Told(NamedTuple):
    """A call of which the source tells in words of its own: slots (None: unknown, False: absent) and fields as `repo.add` takes them."""

    place: str
    session: Session
    source: str
    slots: Mapping[str, Any]
    fields: Mapping[str, Any]


class Bad(NamedTuple):
    """An entry that cannot be read, and why."""

    place: str
    reason: str


Entry = Call | Told | Bad
