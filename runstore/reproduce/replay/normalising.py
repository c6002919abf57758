r"""Normalisers: what differs from run to run and means nothing, such as dates and ids, put aside to find a recorded request.

For look-up only. No identity is touched: a request that is not recorded is compared with those that are, with every piece of text that fits
a pattern replaced by the pattern's name. They are declared in one place, in the store's settings or in the call of `replay`:

    [replay]
    normalise = ["date", "uuid", "ticket"]

    [replay.patterns]
    ticket = 'T-\d+'
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from runstore.errors import InvalidInput, NotFound
from runstore.model.encoding import decode_trusted, encode
from runstore.model.ids import Kind, Link, Object, object_id
from runstore.model.lists import elements
from runstore.model.run import Run
from runstore.model.slots import request_id
from runstore.model.trees import decode_tree_trusted
from runstore.runs.tables import RUN_EXECUTIONS
from runstore.store.protocol import ADDRESS_BYTES, Reader

Fetch = Callable[[bytes], Object]
Declared = Iterable[str] | Mapping[str, str] | None

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
BUILT_IN = {
    "uuid": r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
    "id": r"\b(?:call|toolu|tooluse|msg|resp|fc|rs|req|run|chatcmpl|thread|item)[-_](?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{6,}",
    "hex": r"\b(?=\d*[a-f])[0-9a-f]{16,64}\b",
    "date": rf"\b\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?(?:Z|[+-]\d{{2}}:?\d{{2}})?)?\b"
    rf"|\b\d{{1,2}}\.? {_MONTH},? \d{{4}}\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b|\b\d{{1,2}}/\d{{1,2}}/\d{{4}}\b",
    "time": r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?\b",
}
"""Patterns by name. Of several that fit at one place the one declared first is taken.

An id holds a digit, and a hexadecimal number a letter: `run_payment` is a name, and sixteen digits may be an account.
"""

_EXACT = frozenset(("model", "parameters"))
_UNSEEN = frozenset(("runtime", "environment"))
_REMEMBERED = 200_000


class Normal(NamedTuple):
    """A request with what is declared put aside: a key that equal ones share, and the names of the normalisers that fitted something."""

    key: bytes
    names: frozenset[str]


def declared(given: Declared, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the patterns that are declared, by name: those given, else those that a store's table `[replay]` names.

    A name given alone is looked up among the patterns of the settings, then among the built-in ones. Raises InvalidInput.
    """
    if isinstance(given, Mapping):
        return _checked(dict(given))
    own = settings.get("patterns") or {}
    known = {**BUILT_IN, **own}
    names = list(settings.get("normalise") or () if given is None else given)
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"there is no normaliser {name[:40]!r}",
                hint=f"{', '.join(BUILT_IN)}, or one of the table [replay.patterns] in runstore.toml",
                kind="bad-normaliser",
            )
    return _checked({name: known[name] for name in names})


def _checked(patterns: dict[str, str]) -> dict[str, str]:
    for name, pattern in patterns.items():
        if not re.fullmatch(r"[A-Za-z][\w-]*", name):
            raise InvalidInput(f"{name[:40]!r} is no name of a normaliser", hint="letters, digits, - and _", kind="bad-normaliser")
        try:
            re.compile(pattern)
        except re.error as error:
            raise InvalidInput(f"the normaliser {name} is no regular expression: {error}", kind="bad-normaliser") from error
    return patterns


class Normaliser:
    """Puts aside what some patterns fit. What it has seen it remembers, within bounds."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = [(name, re.compile(pattern)) for name, pattern in patterns.items()]
        self._values: dict[bytes, Normal] = {}

    def request(self, slots: Mapping[str, Any], fetch: Fetch) -> Normal:
        """Return the normal form of a request. `fetch` reads the objects of its slots."""
        names: set[str] = set()
        hashed = hashlib.sha256()
        for name, slot in sorted(slots.items()):
            if name in _UNSEEN:
                continue
            exact = name in _EXACT or not isinstance(slot, Link)
            found = Normal(slot.id if isinstance(slot, Link) else repr(slot).encode(), frozenset()) if exact else self._slot(slot, fetch)
            hashed.update(b"%d %b %d " % (len(name), name.encode(), len(found.key)) + found.key)
            names |= found.names
        return Normal(hashed.digest(), frozenset(names))

    def _slot(self, link: Link, fetch: Fetch) -> Normal:
        if link.kind != Kind.LIST:
            return self._value(link, fetch)
        parts = [self._value(element, fetch) for element in elements(link, fetch)]
        return Normal(hashlib.sha256(b"".join(part.key for part in parts)).digest(), frozenset().union(*(part.names for part in parts)))

    def _value(self, link: Link, fetch: Fetch) -> Normal:
        found = self._values.get(link.id)
        if found is None:
            names: set[str] = set()
            key = link.id
            if link.kind == Kind.VALUE:
                value = self._put_aside(decode_trusted(fetch(link.id).body), names)
                key = object_id(Kind.VALUE, encode(value).body) if names else key
            if len(self._values) >= _REMEMBERED:
                self._values.clear()
            found = self._values[link.id] = Normal(key, frozenset(names))
        return found

    def _put_aside(self, value: Any, names: set[str]) -> Any:
        if isinstance(value, str):
            return self._text(value, names)
        if isinstance(value, dict):
            return {key: self._put_aside(item, names) for key, item in value.items()}
        return [self._put_aside(item, names) for item in value] if isinstance(value, list) else value

    def _text(self, text: str, names: set[str]) -> str:
        for name, pattern in self._patterns:
            text, number = pattern.subn(f"<{name}>", text)
            if number:
                names.add(name)
        return text


class Index:
    """The requests of a store by their normal form. Each run is read once, when first needed. Threads may share it."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._normaliser = normaliser
        self._requests: dict[bytes, list[bytes]] = {}
        self._seen: set[bytes] = set()
        self._whole = False
        self._lock = threading.Lock()

    def find(self, reader: Reader, run: Run) -> tuple[Normal, list[bytes]]:
        """Return the normal form of a request, and the ids of the recorded ones that share it."""
        own = {obj.id: obj for obj in run.objects()}
        normal = self._normaliser.request(run.slots, lambda name: own.get(name) or reader.get(name))
        if not normal.names:
            return normal, []  # nothing in it is put aside: what equals it is the same request
        with self._lock:
            self._read(reader)
            return normal, list(self._requests.get(normal.key, ()))

    def _read(self, reader: Reader) -> None:
        """Take in the runs that were recorded, the newest first; those known already end it once all were read."""
        last = b""
        for row in reader.rows(RUN_EXECUTIONS.name, reverse=True):
            if row[:ADDRESS_BYTES] == last:
                continue
            last = row[:ADDRESS_BYTES]
            with suppress(NotFound):  # a partial clone may lack the run, or what it is made of
                tree = reader.at(int.from_bytes(last, "big"))
                if tree.id not in self._seen:
                    self._learn(tree, reader.get)
                elif self._whole:
                    return
        self._whole = True

    def _learn(self, tree: Object, fetch: Fetch) -> None:
        slots = decode_tree_trusted(tree.body)
        known = self._requests.setdefault(self._normaliser.request(slots, fetch).key, [])
        request = request_id(slots)
        if request not in known:
            known.append(request)
        self._seen.add(tree.id)
