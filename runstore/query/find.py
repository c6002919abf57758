"""find: from an object up to the runs and executions that used it, with the place where it stands.

Goes up the index of direct referrers, each object once, without recursion. Of the places inside one object (a list that holds the same
message twice) the first is told; of the slots of a run, each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from runstore.errors import NotFound
from runstore.model.encoding import decode_trusted, encode
from runstore.model.ids import Kind, Link, Object, make_object
from runstore.model.nodes import Inner, decode_node
from runstore.model.settings import encode_settings
from runstore.model.slots import is_run
from runstore.model.trees import decode_tree_trusted
from runstore.query.paths import render_path
from runstore.runs.lookup import executions_of, referrers
from runstore.store.protocol import Reader

Steps = tuple[str | int, ...]
_OWN = {"extra": "extra_fields"}


class Use(NamedTuple):
    """One place where an object was used: the run, one of its executions (None if none is recorded here), and the place.

    `place` is `slot/index.path`; it is empty for the run or execution itself. For a place in an execution's output, response, wire,
    usage or notes, the run is that of the execution.
    """

    object: Link
    run: Link | None
    execution: Link | None
    place: str


def find(reader: Reader, *objects: Link) -> Iterator[Use]:
    """Yield every use of any of the objects, lazily: nearest referrers first, then in the order of recording.

    Raises NotFound if none of the objects is in the store.
    """
    here = [link for link in objects if reader.address(link.id) is not None]
    if not here:
        named = " and ".join(str(link) for link in objects) or "nothing"
        hint = "whole messages, documents, tools, prompts and files are found; `runstore grep` searches inside them"
        raise NotFound(f"not in the store: {named}", hint=hint)
    return _Search(reader).uses(here)


def links_of_value(value: Any) -> list[Link]:
    """Return the links that a value may have in a store: as content, and as settings in normal form. Raises InvalidInput."""
    bodies = {encode(value).body: None, encode_settings(value).body: None}
    return [make_object(Kind.VALUE, body).link for body in bodies]


def links_of_bytes(data: bytes) -> list[Link]:
    """Return the links that a file may have in a store: as a blob, and as a text value, with and without a newline at its end."""
    found = [make_object(Kind.BLOB, data).link]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return found
    texts = dict.fromkeys((text, text.removesuffix("\n")))
    return [*found, *(make_object(Kind.VALUE, encode(each).body).link for each in texts)]


class _Search:
    """One walk upward. The place of an object leads from it down to what is searched for, and is set when the object is first met."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._places: dict[bytes, tuple[Steps, Link]] = {}
        self._told: set[tuple[bytes, str | int]] = set()

    def uses(self, objects: list[Link]) -> Iterator[Use]:
        """Yield the uses of the objects."""
        waiting = deque(objects)
        self._places = {link.id: ((), link) for link in objects}
        for link in objects:
            if link.kind == Kind.TREE and is_run(decode_tree_trusted(self._reader.get(link.id).body)):
                yield from self._in_run(link, [((), link)])
        while waiting:
            for obj in referrers(self._reader, waiting.popleft().id):
                # A run or an execution may be met again, by another slot; all else is done with when it was met once.
                if obj.id in self._places and obj.kind not in (Kind.TREE, Kind.EXECUTION):
                    continue
                places = list(_places(obj, self._places))
                if not places:
                    continue
                if obj.id not in self._places:
                    self._places[obj.id] = places[0]
                    waiting.append(obj.link)
                yield from self._told_once(obj, places)

    def _told_once(self, obj: Object, places: list[tuple[Steps, Link]]) -> Iterator[Use]:
        new = [place for place in places if place[0] and (obj.id, place[0][0]) not in self._told]
        self._told.update((obj.id, steps[0]) for steps, _ in new)
        if obj.kind == Kind.EXECUTION:
            run = decode_trusted(obj.body).get("run")
            yield from (Use(target, run, obj.link, render_path(steps)) for steps, target in new)
        elif obj.kind == Kind.TREE and is_run(decode_tree_trusted(obj.body)):
            yield from self._in_run(obj.link, new)

    def _in_run(self, run: Link, places: list[tuple[Steps, Link]]) -> Iterator[Use]:
        executions: list[Link | None] = [obj.link for obj in executions_of(self._reader, run.id)] if places else []
        for execution in executions or [None]:
            yield from (Use(target, run, execution, render_path(steps)) for steps, target in places)


def _places(obj: Object, known: dict[bytes, tuple[Steps, Link]]) -> Iterator[tuple[Steps, Link]]:
    """Yield where in an object known ones stand: one place a slot of a tree or a field of an execution, else the first alone."""
    if obj.kind == Kind.LIST:
        place = _in_node(obj, known)
        if place is not None:
            yield place
        return
    value = decode_tree_trusted(obj.body) if obj.kind == Kind.TREE else decode_trusted(obj.body)
    if obj.kind not in (Kind.TREE, Kind.EXECUTION):
        parts: list[tuple[Steps, Any]] = [((), value)]
    else:
        parts = [((name,), part) for name, part in value.items()]
    if obj.kind == Kind.EXECUTION:  # its run and its parents use nothing, and its `extra` is not the slot of that name
        parts = [((_OWN.get(str(name), name),), part) for (name,), part in parts if name not in ("run", "parents")]
    for start, part in parts:
        place = _in_value(part, start, known)
        if place is not None:
            yield place


def _in_node(obj: Object, known: dict[bytes, tuple[Steps, Link]]) -> tuple[Steps, Link] | None:
    """Return where a list node leads to a known object. The first step of a place in a list is its position below that node."""
    node = decode_node(obj.body)
    before = 0
    for number, raw in enumerate(node.raws):
        found = known.get(raw[1:])
        if found is not None:
            steps, target = found
            if isinstance(node, Inner) and steps and isinstance(steps[0], int):
                return (before + steps[0], *steps[1:]), target
            return (before if isinstance(node, Inner) else number, *steps), target
        before += node.counts[number] if isinstance(node, Inner) else 1
    return None


def _in_value(value: Any, start: Steps, known: dict[bytes, tuple[Steps, Link]]) -> tuple[Steps, Link] | None:
    stack: list[tuple[Steps, Any]] = [(start, value)]
    while stack:
        path, at = stack.pop()
        if isinstance(at, Link):
            found = known.get(at.id)
            if found is not None:
                return (*path, *found[0]), found[1]
        elif isinstance(at, dict):
            stack.extend(((*path, key), at[key]) for key in reversed(at))
        elif isinstance(at, list):
            stack.extend(((*path, index), at[index]) for index in range(len(at) - 1, -1, -1))
    return None
