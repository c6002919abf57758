"""Reading the derived tables: referrers, executions of a run, runs of a request, executions by session, scope and response.

Every row is confirmed on the object it leads to before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runstore.errors import NotFound
from runstore.model.executions import Execution, decode_execution
from runstore.model.ids import Kind, Link, Object
from runstore.model.slots import is_run, request_id
from runstore.model.trees import decode_tree
from runstore.runs.absence import absence
from runstore.runs.tables import (
    PREFIX_BYTES,
    REFERRERS,
    REQUEST_RUNS,
    RESPONSES,
    RUN_EXECUTIONS,
    SESSIONS,
    WINDOW,
    WINDOW_SHIFT,
)
from runstore.store.addresses import ADDRESS_BYTES

if TYPE_CHECKING:
    from runstore.store.protocol import Reader


def referrers(reader: Reader, id: bytes) -> Iterator[Object]:
    """Yield the objects that link to this one directly, in the order of adding; for a run, its executions too."""
    from runstore.runs.index import indexed_links  # what is seldom asked for is loaded when it is

    address = _place(reader, id)
    if address is None:
        return
    own = address.to_bytes(ADDRESS_BYTES, "big")
    for row in reader.rows(REFERRERS.name, own):
        first = int.from_bytes(row[ADDRESS_BYTES:], "big") << WINDOW_SHIFT
        for _, obj in reader.between(first, first + WINDOW):
            if id in obj.body and any(link.id == id for link in indexed_links(obj)):
                yield obj
    yield from executions_of(reader, id)


def executions_of(reader: Reader, run: bytes) -> Iterator[Object]:
    """Yield the executions of a run, in the order of recording."""
    address = _place(reader, run)
    if address is None:
        return
    for row in reader.rows(RUN_EXECUTIONS.name, address.to_bytes(ADDRESS_BYTES, "big")):
        yield reader.at(int.from_bytes(row[ADDRESS_BYTES:], "big"))


def runs_of_request(reader: Reader, request: bytes) -> Iterator[Object]:
    """Yield the runs (trees) that share this request id, in the order of recording: one for each runtime that answered."""
    if reader.address(request) is not None:
        own = reader.get(request)
        if own.kind == Kind.TREE and is_run(slots := decode_tree(own.body)) and request_id(slots) == request:
            yield own
    for row in reader.rows(REQUEST_RUNS.name, request[:PREFIX_BYTES]):
        tree = reader.at(int.from_bytes(row[PREFIX_BYTES:], "big"))
        if request_id(decode_tree(tree.body)) == request:
            yield tree


def executions_in_session(reader: Reader, session: str) -> Iterator[Object]:
    """Yield the executions whose `notes.session` is this text, in the order of recording."""
    from runstore.runs.index import text_prefix

    for execution, obj in _behind(reader, SESSIONS.name, text_prefix(session)):
        if execution.notes and execution.notes.get("session") == session:
            yield obj


def executions_in_scope(reader: Reader, scope: str) -> Iterator[Object]:
    """Yield the executions whose `notes.scope` is this text, in the order of recording."""
    from runstore.runs.index import scope_prefix

    for execution, obj in _behind(reader, SESSIONS.name, scope_prefix(scope)):
        if execution.notes and execution.notes.get("scope") == scope:
            yield obj


def executions_of_response(reader: Reader, text: str) -> Iterator[Object]:
    """Yield the executions whose provider response id is this text, in the order of recording."""
    from runstore.runs.index import response_id, text_prefix

    for execution, obj in _behind(reader, RESPONSES.name, text_prefix(text)):
        if response_id(reader, execution.response) == text:
            yield obj


def load_execution(reader: Reader, id: bytes) -> Execution:
    """Return a stored execution. Raises NotFound if the object is no execution or is not here."""
    obj = reader.get(id)
    if obj.kind != Kind.EXECUTION:
        raise NotFound(f"{obj.link} is a {obj.link.kind.label}, and an execution is wanted here")
    return decode_execution(obj.body)


def _place(reader: Reader, id: bytes) -> int | None:
    """Return where an object lies, or what stands for one that is known not to be here."""
    address = reader.address(id)
    if address is None:
        known = absence(reader, id)
        return None if known is None else known.address
    return address


def _behind(reader: Reader, table: str, prefix: bytes) -> Iterator[tuple[Execution, Object]]:
    for row in reader.rows(table, prefix):
        obj = reader.at(int.from_bytes(row[PREFIX_BYTES:], "big"))
        yield decode_execution(obj.body), obj


def first_parent(reader: Reader) -> Callable[[Link], Link | None]:
    """Return a function that gives the first parent of an execution, or None: for one without parents, not here, or no execution."""

    def parent(link: Link) -> Link | None:
        if link.kind != Kind.EXECUTION or reader.address(link.id) is None:
            return None
        parents = decode_execution(reader.get(link.id).body).parents
        return parents[0] if parents else None

    return parent
