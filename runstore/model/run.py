"""Run: a composition of model, prompt, parameters, documents, tools, history and runtime, and its id. No store, no I/O.

A slot that is not given is unknown: the identity says that nobody recorded it. `ABSENT` states that there was none.
Source: docs/spec/identity.md, "Runs" and "The request id".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runstore.errors import InvalidInput, Refused
from runstore.model.encoding import Encoded, decode_value
from runstore.model.ids import Id, Kind, Link, Object, make_object, object_id
from runstore.model.memo import MEMORY
from runstore.model.parts import Part
from runstore.model.settings import decode_settings
from runstore.model.slots import CORE_SLOTS, FURTHER_SLOTS, LIST_SLOTS, SETTINGS_SLOTS, is_run, kind_of_slot, request_id
from runstore.model.trees import ABSENT, UNKNOWN, Slot, SlotState, tree_body

__all__ = [
    "ABSENT", "CORE_SLOTS", "FURTHER_SLOTS", "UNKNOWN", "Id", "Part", "Preencoded", "Run",
    "is_run", "list_part", "request_id", "settings_part", "value_part",
]  # fmt: skip

Preencoded = Encoded
"""A value given as its body: `Run(prompt=Preencoded(body, blobs))`. The body is checked strictly."""

_LEFT_OUT: Any = object()
_NOTHING_KNOWN = dict.fromkeys(CORE_SLOTS, UNKNOWN)
SETTINGS_EXAMPLES = {
    "model": '{"name": "gpt-4o"}',
    "parameters": '{"temperature": 0}',
    "runtime": '{"engine": "vllm"}',
    "environment": '{"commit": "3f9a12c"}',
}
_TEXT = frozenset((str,))
_HINT = "UNKNOWN (null) says that nobody recorded it, ABSENT (false) that there was none"


class Run:
    """A composition with its id. Two runs are equal if their ids are. Immutable.

    `model`, `parameters`, `runtime` and `environment` are dicts (settings, compared as data); `prompt`, `output_format` and
    `extra` any value, kept exactly; `documents`, `tools` and `history` lists of values. `slots` holds slots by name, also of
    other names. The seven core slots are unknown unless given; a further slot that is not given is not stated at all.
    A slot can also be ABSENT, UNKNOWN, a Part, a Link to what is stored, or Preencoded.
    Raises InvalidInput, naming the place, for what cannot be part of a run, and LimitExceeded for what is too large.
    """

    __slots__ = ("_request", "id", "parts", "slots", "tree")

    id: Id
    """The run id."""
    tree: Object
    """The object that the run id names."""
    slots: Mapping[str, Slot]
    """Every slot that the run states, by name: a link, ABSENT or UNKNOWN."""
    parts: Mapping[str, Part]
    """The parts of the slots that are present, by name."""
    _request: Id | None

    def __init__(
        self,
        *,
        model: Any = UNKNOWN,
        prompt: Any = UNKNOWN,
        parameters: Any = UNKNOWN,
        documents: Any = UNKNOWN,
        tools: Any = UNKNOWN,
        history: Any = UNKNOWN,
        runtime: Any = UNKNOWN,
        output_format: Any = _LEFT_OUT,
        extra: Any = _LEFT_OUT,
        environment: Any = _LEFT_OUT,
        slots: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "model": model,
            "prompt": prompt,
            "parameters": parameters,
            "documents": documents,
            "tools": tools,
            "history": history,
            "runtime": runtime,
        }
        further = {"output_format": output_format, "extra": extra, "environment": environment}
        given |= {name: slot for name, slot in further.items() if slot is not _LEFT_OUT}
        for name, slot in (slots or {}).items():
            if given.get(name, UNKNOWN) is not UNKNOWN:
                raise InvalidInput(f"the slot {name} is given twice", kind="bad-slot")
            given[name] = slot
        self._compose(given)

    @classmethod
    def from_links(cls, slots: Mapping[str, Slot]) -> Run:
        """Return the run whose slots are these links and states. Core slots that are not named are unknown. Raises InvalidInput."""
        return cls.of(slots)

    @classmethod
    def of(cls, slots: Mapping[str, Any]) -> Run:
        """Return the run of slots by name, each given as to `Run(...)`."""
        made = object.__new__(cls)
        made._compose({**_NOTHING_KNOWN, **slots})
        return made

    def _compose(self, given: Mapping[str, Any]) -> None:
        stated: dict[str, Slot] = {}
        parts: dict[str, Part] = {}
        if not _TEXT.issuperset(map(type, given)):
            given = _named(given)
        for name, slot in given.items():
            if isinstance(slot, SlotState):
                stated[name] = slot
            else:
                parts[name] = part = _part(name, slot)
                stated[name] = part.link
        body = tree_body(stated)
        put = object.__setattr__
        put(self, "id", Id(object_id(Kind.TREE, body)))
        put(self, "tree", Object(Kind.TREE, self.id, body))
        put(self, "slots", MappingProxyType(stated))
        put(self, "parts", MappingProxyType(parts))
        put(self, "_request", None)

    def with_slots(self, **slots: Any) -> Run:
        """Return the run with these slots, given as to `Run(...)`, and all others as they are here. What is kept is not encoded again."""
        made = object.__new__(Run)
        made._compose({**self.slots, **self.parts, **slots})
        return made

    def with_runtime(self, runtime: Any) -> Run:
        """Return the same request as answered by another runtime: a dict of settings, ABSENT or UNKNOWN."""
        return self.with_slots(runtime=runtime)

    @property
    def request_id(self) -> Id:
        """The id of what was asked: that of the same tree with its runtime unknown. Known before the call."""
        request = self._request
        if request is None:
            request = self.id if self.slots["runtime"] is UNKNOWN else Id(request_id(self.slots))
            object.__setattr__(self, "_request", request)
        return request

    @property
    def link(self) -> Link:
        """The link to the run's tree."""
        return Link(Kind.TREE, self.id)

    def objects(self) -> Iterator[Object]:
        """Yield every object of the run that this process made, each once, the tree last."""
        seen: set[bytes] = set()
        for part in self.parts.values():
            for item in part.closure():
                if item.id not in seen:
                    seen.add(item.id)
                    yield item
        yield self.tree

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Run) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a run cannot be changed")

    def __repr__(self) -> str:
        return f"<run {self.id.hex()[:12]}>"


def value_part(value: Any, name: str = "value") -> Part:
    """Return the part of one value: the blobs of its bytes, then the value. `name` stands before the place in errors."""
    return MEMORY.value_part(value, name, settings=False)


def settings_part(value: Any, name: str = "settings") -> Part:
    """Return the part of the normal form of settings."""
    return MEMORY.value_part(value, name, settings=True)


def list_part(elements: Sequence[Any], name: str = "list") -> Part:
    """Return the part of a list of values: the elements with their blobs, then the nodes, the root last."""
    return MEMORY.list_part(elements, name)


def _named(given: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return slots whose names are of a subclass of str under the names that these are."""
    named = {str.__str__(name) if isinstance(name, str) else name: slot for name, slot in given.items()}
    if len(named) != len(given):
        raise InvalidInput("a slot is given twice", hint="two names of subclasses of str are the same text", kind="bad-slot")
    return named


def _part(name: str, given: Any) -> Part:
    """Return the part of a slot that is present."""
    if isinstance(given, Part):
        return _of_kind(name, given)
    if isinstance(given, Link):
        return _of_kind(name, Part(given))
    if isinstance(given, Encoded):
        return _preencoded(name, given)
    if given is None or given is False:
        raise InvalidInput(f"{name}: {given} is ambiguous", hint=_HINT, kind="ambiguous-slot")
    if name in SETTINGS_SLOTS:
        if not isinstance(given, dict):
            raise InvalidInput(
                f"{name}: {type(given).__name__} is no dict",
                hint=f"{name} is a dict of settings, like {SETTINGS_EXAMPLES[name]}; {_HINT}",
                kind="bad-slot",
            )
        return MEMORY.value_part(given, name, settings=True)
    if name in LIST_SLOTS:
        if not isinstance(given, list | tuple):
            raise InvalidInput(f"{name}: {type(given).__name__} is no list", hint=f"{name} is a list of values; {_HINT}", kind="bad-slot")
        return MEMORY.list_part(given, name)
    return MEMORY.value_part(given, name, settings=False)


def _of_kind(name: str, part: Part) -> Part:
    wanted = kind_of_slot(name)
    if wanted is not None and part.link.kind != wanted:
        raise InvalidInput(f"{name}: a {part.link.kind.label} where a {wanted.label} is due", kind="bad-slot")
    return part


def _preencoded(name: str, given: Encoded) -> Part:
    if kind_of_slot(name) is Kind.LIST:
        raise InvalidInput(f"{name}: a list cannot be given as one body", hint="give its elements, or a Part", kind="bad-slot")
    try:
        (decode_settings if name in SETTINGS_SLOTS else decode_value)(given.body)
    except Refused as error:
        raise InvalidInput(f"{name}: {error}", kind=error.kind) from error
    made = make_object(Kind.VALUE, given.body)
    return Part(made.link, (*given.blobs, made))
