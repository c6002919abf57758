"""Resolving: references of a request to what a provider keeps, answered from the store where it has the answer.

`previous_response_id` names an answer, `conversation` all answers given in it. The run stays what was sent; the execution says in
`notes.resolved` which execution each reference stands for, and names the newest of them as its cause. Pure: the store is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runstore.capture.assemble import Assembled
from runstore.model.encoding import decode_trusted
from runstore.model.ids import Link
from runstore.model.run import Part

RESPONSE, CONVERSATION = "response", "conversation"
Lookup = Callable[[str, str], Link | None]
"""(`response` or `conversation`, the provider's id) to the newest execution that is or belongs to it; None where none is here."""

POINTERS = {"/previous_response_id": RESPONSE, "/conversation": CONVERSATION, "/conversation/id": CONVERSATION}


def resolve(assembled: Assembled, lookup: Lookup) -> Assembled:
    """Return what was assembled with its references resolved as far as `lookup` can. A cause that was stated stays."""
    wanted = [one for one in assembled.facts.unresolved if one.pointer in POINTERS]
    if not wanted:
        return assembled
    extra = _extra(assembled.run.parts.get("extra"))
    notes = dict(assembled.fields.get("notes") or {})
    conversation = _named(extra, "/conversation")
    if conversation is not None and "session" not in notes:
        notes["session"] = conversation  # a conversation that the provider keeps is a session
    resolved: dict[str, str] = {}
    cause: Link | None = assembled.fields.get("cause")
    for one in wanted:
        name = _named(extra, one.pointer)
        found = lookup(POINTERS[one.pointer], name) if name is not None else None
        if found is not None:
            resolved[one.pointer] = found.hex
            cause = cause or found
    if resolved:
        notes["resolved"] = resolved
    left = tuple(one for one in assembled.facts.unresolved if one.pointer not in resolved)
    fields = {**assembled.fields, "notes": notes or None} | ({} if cause is None else {"cause": cause})
    return Assembled(assembled.run, fields, assembled.facts._replace(unresolved=left))


def _extra(part: Part | None) -> Any:
    return {} if part is None or not part.objects else decode_trusted(part.objects[-1].body)


def _named(extra: Any, pointer: str) -> str | None:
    value = extra
    for step in pointer.split("/")[1:]:
        value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
