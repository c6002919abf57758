"""What a server is told: its stores, its tokens, and how much it takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from runstore.errors import InvalidInput
from runstore.model.limits import MAX_DEPTH
from runstore.store.directory import DEFAULT_NAME
from runstore.store.protocol import Table
from runstore.sync.limits import SERVING, Limits
from runstore.sync.local import store_path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
RESERVED = ("healthz", "metrics")


class Pace(NamedTuple):
    """How much a server does at once, and how long it waits.

    `calls` run at once, more are told to come back; `rate` is calls a minute for one token; `idle` is how many seconds a peer may let the
    server wait at a stretch, and so often it is checked that 1 KiB came, or went, for each second waited.
    """

    calls: int = 16
    rate: int = 1200
    idle: int = 60


class Settings(NamedTuple):
    """What a server is told.

    `stores` are pairs of a URL name and a directory; `tables` are those of a whole store; `now` gives microseconds since 1970 UTC.
    """

    stores: tuple[tuple[str, str], ...]
    tokens: str
    tables: tuple[Table, ...]
    now: Callable[[], int]
    limits: Limits = SERVING
    pace: Pace = Pace()


def named_stores(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Read `DIR` and `NAME=DIR`: the name in the URL is the directory's unless it is given. Raises InvalidInput, NoStore."""
    found: dict[str, tuple[str, str]] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            name, path = "", text
        path = os.path.abspath(os.path.expanduser(path))
        place = store_path(path)
        name = name or _name_of(path)
        if not _NAME.match(name) or name.lower() in RESERVED:
            raise InvalidInput(f"{name!r} cannot be part of a URL here", hint=f"name the store: `NAME={text}`", kind="bad-name")
        if name.lower() in found:
            raise InvalidInput(f"two stores are called {name}", hint=f"name one of them: `NAME={text}`", kind="bad-name")
        if os.path.isfile(place):
            raise InvalidInput(f"{text} is a bundle", hint="clone it into a store, and serve that", kind="not-a-directory")
        found[name.lower()] = (name, place)
    return tuple(found.values())


def _name_of(path: str) -> str:
    base = os.path.basename(path)
    return os.path.basename(os.path.dirname(path)) if base == DEFAULT_NAME else base


def with_limits(texts: Iterable[str]) -> tuple[Limits, Pace]:
    """Read `NAME=NUMBER` for each limit that is to be another. Raises InvalidInput."""
    limits, pace = SERVING._asdict(), Pace()._asdict()
    for text in texts:
        name, _, value = text.partition("=")
        table = limits if name in limits else pace if name in pace else None
        if table is None or not value.isascii() or not value.isdigit() or int(value) < 1:
            hint = f"NAME=NUMBER, where NAME is one of {', '.join((*limits, *pace))}"
            raise InvalidInput(f"{text[:80]!r} is no limit", hint=hint, kind="bad-limit")
        table[name] = min(int(value), MAX_DEPTH) if name == "depth" else int(value)
    return Limits(**limits), Pace(**pace)
