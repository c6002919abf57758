"""Objects of every kind: their links, the strict check of a body, and the rules that need the objects linked to.

Source: docs/spec/identity.md, "Objects, ids, links", "Runs" and "Executions".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from runstore.errors import Refused
from runstore.model.encoding import decode_trusted, decode_value, raws_trusted
from runstore.model.executions import Execution, decode_execution, execution_links, open_execution
from runstore.model.heads import LINK_HEAD
from runstore.model.ids import Kind, Link, Object
from runstore.model.limits import MAX_BLOB, MAX_DEPTH
from runstore.model.lists import Fetch, check_structure
from runstore.model.nodes import decode_node, leaf_raws
from runstore.model.settings import decode_settings
from runstore.model.slots import CORE_SLOTS, LIST_SLOTS, SETTINGS_SLOTS, check_slot_kind
from runstore.model.tags import decode_tag
from runstore.model.trees import decode_tree, decode_tree_trusted, open_tree
from runstore.tuples import NamedTuple


def links_of(kind: int, body: bytes) -> list[Link]:
    """Return the links that stand in a body, in their order, repeated ones too. The body was verified when it entered the store.

    Raises Refused for bytes that are no body of the kind.
    """
    if kind == Kind.BLOB or LINK_HEAD not in body:
        return []
    if kind == Kind.LIST:
        node = decode_node(body)
        return [Link(_KIND_BY_CODE[raw[0]], raw[1:]) for raw in node.raws]
    if kind == Kind.TREE:
        return [slot for slot in decode_tree_trusted(body).values() if isinstance(slot, Link)]
    return _links_in(decode_trusted(body))


_KIND_BY_CODE = {int(kind): kind for kind in Kind}
_CODES = {kind: bytes((kind,)) for kind in Kind}
_BLOB, _VALUE, _LIST, _TREE = int(Kind.BLOB), int(Kind.VALUE), int(Kind.LIST), int(Kind.TREE)  # comparing members costs more
_EXECUTION, _TAG = int(Kind.EXECUTION), int(Kind.TAG)
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function


def _links_in(value: Any) -> list[Link]:
    """Return the links inside a decoded value, in their order."""
    found: list[Link] = []
    todo = [value]
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind is Link:
            found.append(item)
        elif kind is dict:
            todo += reversed(item.values())
        elif kind is list:
            todo += reversed(item)
    return found


def verify_body(kind: int, body: bytes) -> None:
    """Check a body from elsewhere as strictly as it can be checked alone. Raises Refused.

    What its links lead to is left to `check_structure`, `check_run` and `check_execution`.
    """
    if kind == Kind.VALUE:
        decode_value(body)
    elif kind == Kind.LIST:
        decode_node(body)
    elif kind == Kind.TREE:
        decode_tree(body)
    elif kind == Kind.EXECUTION:
        decode_execution(body)
    elif kind == Kind.TAG:
        decode_tag(body)
    elif kind != Kind.BLOB:
        raise Refused(f"{kind} is the code of no kind", kind="bad-kind")
    elif len(body) > MAX_BLOB:
        raise Refused(f"a blob of {len(body):,} bytes; the most is 4 GiB", kind="limit-exceeded")


class Opened(NamedTuple):
    """A body decoded strictly: a value, a node, slots, an Execution, a Tag, or None for a blob; and its links as 33 bytes each."""

    content: Any
    raws: Sequence[bytes]


def open_body(kind: int, body: bytes, *, max_depth: int = MAX_DEPTH) -> Opened:
    """Do what `verify_body` and `links_of` do, and decode only once. Raises Refused, also for what is nested deeper than is asked."""
    content: Any = None
    raws: Sequence[bytes] = ()
    if kind == _LIST:
        content = decode_node(body)
        raws = content.raws
    elif kind == _VALUE:
        content = decode_value(body, max_depth=max_depth)
        if LINK_HEAD in body:
            raws = [link.raw for link in _links_in(content)]
    elif kind == _TREE:
        content, raws = open_tree(body)
    elif kind == _EXECUTION:
        content, raws = open_execution(body, max_depth=max_depth)
    elif kind == _TAG:
        content = decode_tag(body)
        raws = [content.target.raw]
    else:
        verify_body(kind, body)
    found: Opened = _new(Opened, (content, raws))
    return found


def execution_raws(execution: Execution) -> list[bytes]:
    """Return all links of an execution as 33 bytes each."""
    own = [execution.run, *execution.parents, execution.output, execution.cause, execution.response, execution.wire]
    maps = [item for item in (execution.usage, execution.notes, execution.extra) if item]
    if maps:
        own += _links_in(maps)
    return [_CODES[link[0]] + link[1] for link in own if link is not None]


def raws_of(kind: int, body: bytes) -> Sequence[bytes]:
    """Return the links that stand in a body as 33 bytes each, as `links_of` does and faster.

    The body was verified when it entered the store.
    """
    if kind == _BLOB or LINK_HEAD not in body:
        return ()
    if kind == _LIST:
        return decode_node(body).raws if body[1] else leaf_raws(body)
    if kind == _EXECUTION:
        return execution_links(body)
    if kind == _TREE:
        # The names between them are ASCII, so nothing else looks like the head of a link.
        found: list[bytes] = _TREE_LINK.findall(body)
        return found
    return raws_trusted(body)


_TREE_LINK = re.compile(rb"\xc7\x21\x01([\x01-\x04].{32})", re.DOTALL)


def check_run(tree: Object, fetch: Fetch) -> None:
    """Check the rules of a run that need what its slots link to. Raises Refused, and NotFound where a linked object is missing.

    Elements of lists are not fetched: their links say that they are values.
    """
    if tree.kind != Kind.TREE:
        raise Refused(f"a {Kind(tree.kind).label} is no run", kind="bad-run")
    slots = decode_tree(tree.body)
    lacking = [name for name in CORE_SLOTS if name not in slots]
    if lacking:
        raise Refused(f"tree:{tree.id.hex()} is no run: it does not state {', '.join(lacking)}", kind="bad-run")
    for name, slot in slots.items():
        if not isinstance(slot, Link):
            continue
        check_slot_kind(name, slot)
        if name in SETTINGS_SLOTS:
            _check_settings(name, fetch(slot.id))
        elif name in LIST_SLOTS and not check_structure(slot, fetch).only_values:
            raise Refused(f"the slot {name} has an element that is no value", kind="bad-run")


def _check_settings(name: str, value: Object) -> None:
    try:
        decode_settings(value.body)
    except Refused as error:
        raise Refused(f"the slot {name}: {error}", kind="bad-run") from error


def check_execution(execution: Object, fetch: Fetch) -> None:
    """Check that what an execution names as its run is one. Raises Refused, NotFound."""
    if execution.kind != Kind.EXECUTION:
        raise Refused(f"a {Kind(execution.kind).label} is no execution", kind="bad-execution")
    run = decode_execution(execution.body).run
    if run is not None:
        check_run(fetch(run.id), fetch)
