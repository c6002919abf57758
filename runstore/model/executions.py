"""Executions: a run says what was executed, an execution says that it happened.

The body is a settings map of fixed keys. Merges, which join diverged logs, have a status and parents and nothing else, so two
stores that join the same logs make the same merge.
Source: docs/spec/identity.md, "Executions".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from runstore.errors import InvalidInput, LimitExceeded, Refused
from runstore.model.encoding import ANY_KIND, decode, decode_trusted, raws_trusted
from runstore.model.heads import LINK_HEAD, array_head, map_head, pack_int, pack_text
from runstore.model.ids import ID_BYTES, Kind, Link, Object, make_object
from runstore.model.limits import MAX_DEPTH, MAX_NODES
from runstore.model.scalars import LEAST_INT, MOST_INT
from runstore.model.settings import check_normal, encode_settings, normalise
from runstore.tuples import NamedTuple

if TYPE_CHECKING:
    from runstore.model.forms import Forms

STATUSES = ("ok", "error", "partial", "interrupted", "merge")


class Execution(NamedTuple):
    """One occurrence of a run, or a merge. What is None stands nowhere in the body.

    `started` and `ended` are integer microseconds since 1970 UTC; `parents` are links to what stood on the ref before.
    """

    run: Link | None = None
    parents: tuple[Link, ...] = ()
    output: Link | None = None
    status: str | None = None
    started: int | None = None
    ended: int | None = None
    nonce: str | None = None
    actor: str | None = None
    message: str | None = None
    cause: Link | None = None
    response: Link | None = None
    wire: Link | None = None
    usage: dict[str, Any] | None = None
    notes: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None

    @property
    def is_merge(self) -> bool:
        """True if this joins diverged logs."""
        return self.status == "merge"


_FIELDS = Execution._fields
_KEYS = tuple(sorted(_FIELDS))
_new: Any = tuple.__new__  # the constructor of a named tuple is a Python function
_KNOWN = frozenset(_KEYS)
_EMPTY: dict[str, Any] = dict.fromkeys(_FIELDS)  # in the order of the fields
_by_key = itemgetter(*[_FIELDS.index(key) for key in _KEYS])
_EXACT = frozenset((str, int, Link))
_HEADS = tuple(pack_text(key) for key in _KEYS)
_PARENTS = frozenset((Kind.EXECUTION,))
_LINKS = {
    "run": frozenset((Kind.TREE,)),
    "output": frozenset((Kind.VALUE, Kind.LIST, Kind.BLOB)),
    "cause": frozenset((Kind.EXECUTION,)),
    "response": frozenset((Kind.VALUE,)),
    "wire": frozenset((Kind.VALUE,)),
}
_FEW = 16  # executions: a command that decodes no more knows no forms, whose module takes longer to load than all of them
_met = 0
_known_forms: Forms | None = None
_TIMES = frozenset(("started", "ended"))
_MAPS = frozenset(("usage", "notes", "extra"))


def make_execution(run: Link, parents: tuple[Link, ...], fields: Mapping[str, Any]) -> Execution:
    """Return an execution of these fields, as the constructor does and faster. Raises TypeError for a field that executions do not have."""
    filled = {**_EMPTY, **fields, "run": run, "parents": parents}
    if len(filled) != len(_EMPTY):
        raise TypeError(f"an execution has the fields {', '.join(_FIELDS)}")
    made: Execution = _new(Execution, filled.values())
    return made


def encode_execution(execution: Execution, blobs: list[Object] | None = None) -> Object:
    """Return the object of an execution. Raises InvalidInput for what the specification does not allow.

    Bytes inside `usage`, `notes` and `extra` become blobs, which are added to `blobs`; without it they are an error.
    """
    parts: list[bytes] = []
    parents: list[Link] | None = None
    status = execution.status
    try:
        for key, head, item in zip(_KEYS, _HEADS, _by_key(execution), strict=True):
            if item is None:
                continue
            plain = item if type(item) in _EXACT else _plain(item)
            _check_field(key, plain)
            kind = type(plain)  # what was checked: a link, a time, a text, parents or a map
            if kind is Link:
                parts.append(head + LINK_HEAD + plain.raw)
            elif kind is str:
                parts.append(head + pack_text(plain))
            elif kind is int:
                parts.append(head + pack_int(plain))
            elif kind is list:
                parents = plain  # as they are written: a subclass may say something else each time
                parts.append(b"".join((head, array_head(len(plain)), *[LINK_HEAD + parent.raw for parent in plain])))
            else:
                parts.append(head + _encode_map(key, plain, blobs))
        _check_whole(parents, status if type(status) is str else _plain(status), len(parts), runs=execution.run is not None)
    except Refused as error:
        raise InvalidInput(str(error), kind=error.kind) from error
    body = map_head(len(parts)) + b"".join(parts)
    if len(body) > MAX_NODES:  # its maps may be sound one by one and too large together
        try:
            decode_execution(body)
        except Refused as error:
            raise LimitExceeded(str(error), kind=error.kind) from error
    return make_object(Kind.EXECUTION, body)


def _plain(item: Any) -> Any:
    """Return what is given under a key with tuples as lists, and scalars in normal form and of their base."""
    if isinstance(item, dict):
        return item
    if isinstance(item, list | tuple):
        return list(item)
    if isinstance(item, str):
        return str.__str__(item)
    return int.__int__(item) if isinstance(item, int) and type(item) is not bool else normalise(item)


def _encode_map(key: str, item: dict[str, Any], blobs: list[Object] | None) -> bytes:
    """Return the bytes of a map that stands under a key."""
    encoded = encode_settings(item, max_depth=MAX_DEPTH - 1, path=key, links=ANY_KIND)
    if encoded.blobs:
        if blobs is None:
            raise InvalidInput(f"{key}: bytes have no place here", hint="store them as a blob and give the link", kind="bad-execution")
        blobs += encoded.blobs
    return encoded.body


def make_merge(parents: Iterable[Link]) -> Object:
    """Return the merge of these executions, in any order. The caller knows that none is an ancestor of another.

    Raises InvalidInput unless two or more different executions are given.
    """
    return encode_execution(Execution(parents=tuple(sorted(set(parents), key=lambda link: link.id)), status="merge"))


def decode_execution(body: bytes) -> Execution:
    """Return the execution of a body, strictly. Raises Refused."""
    return open_execution(body)[0]


def open_execution(body: bytes, *, max_depth: int = MAX_DEPTH) -> tuple[Execution, list[bytes]]:
    """Return the execution of a body, strictly, and all its links as 33 bytes each, in their order. Raises Refused."""
    forms = _forms()
    known = forms.open(body) if forms is not None and max_depth > 1 else None  # what has a form is a map with an array in it
    if known is not None:
        return _new(Execution, known[0]), known[1]
    raws: list[bytes] = []
    value = decode(body, take=raws.append, max_depth=max_depth)
    check_normal(value)
    _check(value)
    if forms is not None and forms.due(body):
        forms.learn(value)
    return _execution(value), raws


def _forms() -> Forms | None:
    """Return the forms of this process, once it has decoded some executions."""
    global _met, _known_forms
    if _known_forms is None:
        _met += 1
        if _met > _FEW:
            from runstore.model.forms import Forms

            _known_forms = Forms(_FIELDS)
    return _known_forms


def execution_links(body: bytes) -> Sequence[bytes]:
    """Return all links of an execution's body as 33 bytes each. It was verified when it entered the store."""
    forms = _forms()
    if forms is None:
        return raws_trusted(body)
    raws = forms.links(body)
    if raws is None:
        return open_execution(body)[1] if forms.due(body) else raws_trusted(body)
    return raws


def decode_execution_trusted(body: bytes) -> Execution:
    """Return the execution of a body from our own store whose hash was verified: it was checked strictly when it entered.

    Several times as fast as `decode_execution`. Raises Refused for a body that is no execution.
    """
    forms = _known_forms or _forms()
    if forms is not None:
        values = forms.read(body)
        if values is not None:
            known: Execution = _new(Execution, values)
            return known
        if forms.due(body):
            try:
                return open_execution(body)[0]
            except Refused:
                pass  # what entered is checked again to learn from it alone
    return _decode_any(body)


def _decode_any(body: bytes) -> Execution:
    value = decode_trusted(body)
    filled = _EMPTY | value if type(value) is dict else {}
    if len(filled) != len(_EMPTY) or type(parents := filled["parents"]) is not list:
        raise _bad(f"it is no map of {', '.join(_KEYS)}")
    filled["parents"] = tuple(parents)
    found: Execution = _new(Execution, filled.values())
    return found


def _execution(value: Any) -> Execution:
    value["parents"] = tuple(value["parents"])
    found: Execution = _new(Execution, map(value.get, _FIELDS))
    return found


def _check(value: Any) -> None:
    """Raise Refused unless the keys of an execution, and what stands under them, are as the format has them."""
    if type(value) is not dict or not value.keys() <= _KNOWN:
        raise _bad(f"it is no map of {', '.join(_KEYS)}")
    for key, item in value.items():
        _check_field(key, item)
    _check_whole(value.get("parents"), value.get("status"), len(value), runs="run" in value)


def _check_field(key: str, item: Any) -> None:
    if key in _LINKS:
        _check_link(key, item, _LINKS[key])
    elif key in _TIMES:
        if type(item) is not int or not LEAST_INT <= item <= MOST_INT:
            raise _bad(f"{key} is no number of microseconds within 64 bits")
    elif key == "parents":
        if type(item) is not list:
            raise _bad("parents is no array")
        for parent in item:
            _check_link(key, parent, _PARENTS)
    elif key in _MAPS:
        if not isinstance(item, dict):
            raise _bad(f"{key} is no map")
    elif type(item) is not str:
        raise _bad(f"{key} is no string")


def _check_link(key: str, item: Any, kinds: frozenset[Kind]) -> None:
    if type(item) is not Link or item.kind not in kinds or len(item.id) != ID_BYTES:
        raise _bad(f"{key} is no link to a {' or '.join(kind.label for kind in sorted(kinds))}")


def _check_whole(parents: Sequence[Link] | None, status: str | None, fields: int, *, runs: bool) -> None:
    """Raise Refused unless what an execution has goes together. `runs` says that it names a run."""
    if parents is None:
        raise _bad("parents is no array")
    if status is not None and status not in STATUSES:
        raise _bad(f"the status is none of {', '.join(STATUSES)}")
    if status != "merge":
        if not runs:
            raise _bad("it names no run and is no merge")
        if len(parents) > 1:
            raise _bad("it has more than one parent and is no merge")
    elif fields != 2:
        raise _bad("a merge has parents and a status and nothing else")
    elif len(parents) < 2 or any(one.id >= other.id for one, other in pairwise(parents)):
        raise _bad("the parents of a merge are two or more, sorted by id, each once")


def _bad(fact: str) -> Refused:
    return Refused(f"not an execution: {fact}", kind="bad-execution")
