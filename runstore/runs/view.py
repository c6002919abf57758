"""Views: a run, an execution or a list as Python values, read from the store when asked for.

Objects never change, so a view may read in a snapshot of its own each time; what it has read it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

from runstore.errors import NotFound
from runstore.model.elements import count, element, elements
from runstore.model.encoding import decode
from runstore.model.executions import Execution
from runstore.model.ids import Id, Kind, Link, Object
from runstore.model.slots import request_id
from runstore.model.trees import SlotState, decode_tree

Fetch = Callable[[bytes], Object]


class ListView(Sequence[Any]):
    """A stored list: `len`, index, slice and iteration give values (bytes for blobs); `links` gives the elements' links."""

    def __init__(self, root: Link, fetch: Fetch) -> None:
        self.root = root
        self._fetch = fetch

    @cached_property
    def _count(self) -> int:
        return count(self.root, self._fetch)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return read_content(element(self.root, index, self._fetch), self._fetch)

    def __iter__(self) -> Iterator[Any]:
        for link in elements(self.root, self._fetch):
            yield read_content(link, self._fetch)

    def links(self) -> Iterator[Link]:
        """Yield the links of the elements in order."""
        return elements(self.root, self._fetch)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListView):
            return self.root == other.root
        return isinstance(other, (list, tuple)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<list of {len(self)}: {self.root.hex[:12]}>"


class RunView:
    """A run read from the store: `.id`, `.request_id`, `.slots` (links and states), and each slot by name as a value.

    `view.prompt` and `view["prompt"]` give the decoded value, a ListView for lists, or ABSENT or UNKNOWN.
    """

    def __init__(self, tree: Object, fetch: Fetch) -> None:
        self.object = tree
        self.id = Id(tree.id)
        self.slots = decode_tree(tree.body)
        self._fetch = fetch
        self._read: dict[str, Any] = {}

    @property
    def link(self) -> Link:
        """The kind and the id."""
        return Link(Kind.TREE, self.object.id)

    @cached_property
    def request_id(self) -> Id:
        """The id of what was asked: the same tree with its runtime unknown."""
        return Id(request_id(self.slots))

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            slot = self.slots.get(name)
            if slot is None:
                raise NotFound(f"the run {self.id.hex()[:12]} has no slot {name!r}", hint=f"it has {', '.join(self.slots)}")
            self._read[name] = slot if isinstance(slot, SlotState) else read_content(slot, self._fetch)
        return self._read[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NotFound as error:
            raise AttributeError(str(error)) from error

    def __repr__(self) -> str:
        return f"<run {self.id.hex()[:12]}>"


class ExecutionView:
    """An execution read from the store: its fields (`.status`, `.started`, ...), `.output` as a value, and its run's slots by name."""

    def __init__(self, obj: Object, execution: Execution, fetch: Fetch) -> None:
        self.object = obj
        self.id = Id(obj.id)
        self.fields = execution
        self._fetch = fetch

    @property
    def link(self) -> Link:
        """The kind and the id."""
        return Link(Kind.EXECUTION, self.object.id)

    @cached_property
    def run(self) -> RunView | None:
        """The run that was executed; None for a merge."""
        return None if self.fields.run is None else RunView(self._fetch(self.fields.run.id), self._fetch)

    @cached_property
    def output(self) -> Any:
        """The output as a value, bytes or ListView; None where there was none."""
        return None if self.fields.output is None else read_content(self.fields.output, self._fetch)

    @cached_property
    def response(self) -> Any:
        """What the provider said beside the answer, as a value; None where nothing was recorded."""
        return None if self.fields.response is None else read_content(self.fields.response, self._fetch)

    @property
    def parents(self) -> tuple[Link, ...]:
        """What stood on the ref before."""
        return self.fields.parents

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in Execution._fields:
            return getattr(self.fields, name)
        if self.run is None:
            raise AttributeError(f"a merge has no {name!r}")
        return getattr(self.run, name)

    def __repr__(self) -> str:
        return f"<execution {self.id.hex()[:12]}>"


def read_content(link: Link, fetch: Fetch) -> Any:
    """Return what a link leads to: a value, bytes for a blob, a ListView for a list, slots for a tree.

    A value that is the link of a blob (how bytes stand in a list) gives the bytes.
    """
    if link.kind == Kind.LIST:
        return ListView(link, fetch)
    obj = fetch(link.id)
    if obj.kind == Kind.BLOB:
        return obj.body
    if obj.kind == Kind.TREE:
        return decode_tree(obj.body)
    value = decode(obj.body)
    if isinstance(value, Link) and value.kind == Kind.BLOB:
        return fetch(value.id).body
    return value
