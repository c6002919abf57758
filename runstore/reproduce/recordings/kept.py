"""What a recording keeps of a call: what was asked and what was answered, and nothing that only says when, where and by whom.

A recording lies in git beside the test. So times, actor, session, labels, and the headers that name a request, a machine or an account are
left out, and the nonce is made from the test's name and the number of the call: the same calls give the same bytes wherever they are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from runstore.capture.assemble import Assembled
from runstore.capture.codecs.tool_call import TOOL
from runstore.capture.importers.naming import nonce_of
from runstore.model.executions import Execution, decode_execution, encode_execution
from runstore.model.ids import Link, Object
from runstore.model.objects import links_of
from runstore.runs import compose
from runstore.runs.record import collect
from runstore.store.protocol import Reader
from runstore.sync.marks import Marks
from runstore.sync.reading import reading_order

_HEADERS = ("accept", "content-type")
_NOTES = ("scope", "redacted")


class Kept(NamedTuple):
    """A call as a recording holds it: an execution without a parent, and all objects that it leads to, each after what it links to."""

    fields: Execution
    objects: tuple[Object, ...]


def is_served(made: Assembled) -> bool:
    """True if the call can be answered from its recording: it ended whole, and well, or it is what a tool raised."""
    ended = made.fields["status"] == "ok" or (made.fields["status"] == "error" and made.facts.api == TOOL.name)
    return ended and made.fields.get("response") is not None


def keep(made: Assembled) -> Kept:
    """Return what is kept of a call that was just made."""
    fields = made.fields
    wire, response = dict(fields["wire"] or {}), dict(fields["response"])
    response.pop("headers", None)
    if "headers" in wire:
        wire["headers"] = {name: value for name, value in wire["headers"].items() if name in _HEADERS}
    notes: dict[str, Any] = {name: item for name, item in (fields.get("notes") or {}).items() if name in _NOTES}
    stated = {
        "status": fields["status"],
        "output": fields.get("output"),
        "usage": fields.get("usage"),
        "response": response,
        "wire": wire or None,
        "notes": notes or None,
    }
    draft = compose.draft(made.run, "", stated)
    body = encode_execution(Execution(run=draft.run.link, **draft.fields)).body
    # Settings in normal form, as they are read again.
    return Kept(decode_execution(body), tuple(collect([draft], lambda _: False)))


def keep_recorded(reader: Reader, execution: Execution) -> Kept:
    """Return what is kept of a call that is recorded already: all of it, but for what stood before it."""
    fields = execution._replace(parents=(), cause=None)
    return Kept(fields, tuple(obj for _, obj in reading_order(reader, _links(fields), Marks())))


def numbered(calls: Iterable[Kept], *identity: str) -> list[Kept]:
    """Return the calls of one recording with a nonce each: one that has one keeps it, the others get one from the identity and a number."""
    calls = list(calls)
    taken = {call.fields.nonce for call in calls}
    found = []
    number = 0
    for call in calls:
        if call.fields.nonce is None:
            number += 1
            while (nonce := nonce_of("test", *identity, number)) in taken:
                number += 1
            taken.add(nonce)
            call = call._replace(fields=call.fields._replace(nonce=nonce))
        found.append(call)
    return found


def _links(fields: Execution) -> list[Link]:
    made = encode_execution(fields)
    return links_of(made.kind, made.body)
