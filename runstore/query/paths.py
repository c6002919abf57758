"""Paths: from a thing into its parts, as in `history/3.content`, `tools[0].function.name` or `usage.prompt_tokens`.

A step is `.key`, `/n`, `[n]` or `["any key"]`. In a list a step is a position (from 0; negative: from the end), in a map a key, in a
run a slot, in an execution a field or a slot of its run. Links are followed on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from runstore.errors import InvalidInput, NotFound
from runstore.model.elements import count, element
from runstore.model.encoding import decode_trusted
from runstore.model.ids import Kind, Link, Object
from runstore.model.trees import SlotState, decode_tree_trusted
from runstore.query.near import brief, near_hint
from runstore.tuples import NamedTuple

Fetch = Callable[[bytes], Object]

# What an execution calls its own; every other name is a slot of its run. Both have an `extra`: the execution's is `extra_fields`.
OWN_FIELDS = frozenset(
    ("output", "response", "wire", "usage", "notes", "status", "started", "ended", "nonce", "actor", "message", "cause", "run", "parents")
)
# Compiled where they are needed: most revisions have no path.
_INDEX = r"-?[0-9]+"
_PLAIN_KEY = r"[A-Za-z0-9_$][A-Za-z0-9_$-]*"
_STEP = r"""[./]([^./\[\]]+)|\[(-?[0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]"""


class Place(NamedTuple):
    """Where a path ends: the deepest object it reaches, the steps that remain inside that object, and the value there."""

    link: Link
    rest: tuple[str, ...]
    value: Any


def parse_path(text: str) -> tuple[str, ...]:
    """Read a path; its first step may stand without a `.`. Raises InvalidInput where it cannot be read on."""
    steps: list[str] = []
    position = 0
    first = re.match(_PLAIN_KEY, text)
    if first is not None:
        steps.append(first[0])
        position = first.end()
    pattern = re.compile(_STEP)
    while position < len(text):
        step = pattern.match(text, position)
        if step is None:
            raise InvalidInput(
                f"the path {text[:80]!r} cannot be read from {text[position : position + 20]!r} on",
                hint='steps are .key, /n, [n] or ["any key"], for example history/3.content[0].text',
                kind="bad-path",
            )
        steps.append(_unquote(step[3]) if step[3] is not None else step[1] or step[2])
        position = step.end()
    if not steps:
        raise InvalidInput("the path is empty", hint="for example main:history/0.content", kind="bad-path")
    return tuple(steps)


def render_path(steps: Iterable[str | int]) -> str:
    """Write typed steps so that `parse_path` reads them: the first bare, a position after it as `/n`, then `.key` and `[n]`."""
    text: list[str] = []
    for number, step in enumerate(steps):
        if isinstance(step, int) or re.fullmatch(_INDEX, step):
            text.append(f"/{step}" if number == 1 else f"[{step}]")
        elif re.fullmatch(_PLAIN_KEY, step):
            text.append(step if number == 0 else f".{step}")
        else:
            from runstore.model.jsontext import render_json

            text.append(f"[{render_json(step)}]")
    return "".join(text)


def follow(link: Link, steps: Sequence[str], fetch: Fetch) -> Place:
    """Go from an object along a path. Raises NotFound, naming the step that leads nowhere and what there is instead.

    The place of `history/3` is the message's own object; the place of `usage.total` lies inside the execution.
    """
    done = 0
    while True:
        rest = steps[done:]
        if not rest:
            return Place(link, (), _whole(link, fetch))
        if link.kind == Kind.BLOB:
            raise NotFound(f"{brief(link)} is bytes, and has no part {rest[0]!r}", hint="a path ends at a blob")
        if link.kind == Kind.LIST:
            link, done = _element(link, rest[0], fetch, steps[:done]), done + 1
        elif link.kind == Kind.TREE:
            link, used = _slot(link, rest, fetch)
            done += used
        elif link.kind == Kind.EXECUTION and not is_own(rest[0]):
            link = _run_of(link, rest[0], fetch)
        else:
            found, used = _inside(link, rest, fetch)
            if not isinstance(found, Link):
                return Place(link, tuple(rest), found)
            link, done = found, done + used


def is_own(field: str) -> bool:
    """True if this first step of a path names a field of the execution itself, false if a slot of its run."""
    return field in OWN_FIELDS or field == "extra_fields"


def step_into(value: Any, step: str) -> Any:
    """Return one part of a decoded value. Raises NotFound."""
    if isinstance(value, dict):
        if step in value:
            return value[step]
        keys = [str(key) for key in value]
        raise NotFound(
            f"there is no key {step!r} here", hint=near_hint(step, keys, f"the keys are {_some(keys)}" if keys else "the map is empty")
        )
    if isinstance(value, list):
        position = _position(step, len(value), "the list")
        return value[position]
    raise NotFound(f"a {_type_name(value)} has no part {step!r}", hint="the path ends one step earlier")


def _inside(link: Link, steps: Sequence[str], fetch: Fetch) -> tuple[Any, int]:
    """Go into one object's body until the steps end or a link is met; return what is there and the steps used."""
    value = decode_trusted(fetch(link.id).body)
    if isinstance(value, Link):
        return value, 0
    for used, step in enumerate(steps, 1):
        own = used == 1 and link.kind == Kind.EXECUTION and step == "extra_fields"
        if own and "extra" not in value:
            raise NotFound(f"{brief(link)} has no field 'extra_fields'", hint="it has nothing beside what every execution may have")
        value = step_into(value, "extra" if own else step)
        if isinstance(value, Link):
            return value, used
    return value, len(steps)


def _element(link: Link, step: str, fetch: Fetch, before: Sequence[str]) -> Link:
    return element(link, _position(step, count(link, fetch), render_path(before) or brief(link)), fetch)


def _slot(link: Link, steps: Sequence[str], fetch: Fetch) -> tuple[Link, int]:
    slots = decode_tree_trusted(fetch(link.id).body)
    # A slot's name may hold dots, so the longest run of steps that is a name counts.
    for used in range(len(steps), 0, -1):
        name = ".".join(steps[:used])
        slot = slots.get(name)
        if isinstance(slot, SlotState):
            raise NotFound(f"the slot {name} of {brief(link)} is {slot.name.lower()}", hint=_STATES[slot], kind="no-content")
        if slot is not None:
            return slot, used
    raise NotFound(f"{brief(link)} has no slot {steps[0]!r}", hint=near_hint(steps[0], slots, f"it has {_some(list(slots))}"))


def _run_of(link: Link, step: str, fetch: Fetch) -> Link:
    run = decode_trusted(fetch(link.id).body).get("run")
    if not isinstance(run, Link):
        raise NotFound(f"{brief(link)} is a merge, and has no slot {step!r}", hint="name one of its parents with ^1 or ^2")
    return run


def _whole(link: Link, fetch: Fetch) -> Any:
    from runstore.runs.view import read_content

    return read_content(link, fetch)


def _position(step: str, length: int, name: str) -> int:
    if not re.fullmatch(_INDEX, step):
        raise NotFound(
            f"{name} is a list, and has no part {step!r}", hint=f"name a position, 0 to {length - 1}" if length else "the list is empty"
        )
    position = int(step[:20])
    if not -length <= position < length:
        raise NotFound(f"position {step[:20]} is outside {name}", hint=f"it has {length} element{'' if length == 1 else 's'}, from 0")
    return position % length


def _unquote(text: str) -> str:
    from runstore.model.jsontext import parse_json

    return str(parse_json(text))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _type_name(value: Any) -> str:
    names: Iterator[str] = (name for kind, name in _TYPES if isinstance(value, kind))
    return next(names, "value")


_STATES = {
    SlotState.UNKNOWN: "nobody recorded it; `runstore check` says what else is not known",
    SlotState.ABSENT: "it is known that there was none",
}
_TYPES: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bool, "truth value"),
    (int, "number"),
    (float, "number"),
    (bytes, "blob"),
    (type(None), "null"),
)
