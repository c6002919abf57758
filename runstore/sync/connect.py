"""From a URL to a channel. Each transport is a module of its own, imported when a URL asks for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, Protocol

from runstore.errors import InvalidInput
from runstore.store.protocol import Table
from runstore.sync.channel import Channel
from runstore.sync.remote import Remote
from runstore.sync.urls import Url, parse_url

Connect = Callable[[], Channel]


class Access(NamedTuple):
    """What transports are told: nothing of it is read from the environment below the command line.

    `tables` are those of a whole store; `now` gives microseconds since 1970 UTC; `actor` stands in the reflog of a store reached over
    a path; `ssh` is the command that reaches a host; `token` gives the bearer token for a server, or None.
    """

    tables: tuple[Table, ...]
    now: Callable[[], int]
    actor: str
    ssh: tuple[str, ...] = ("ssh",)
    token: Callable[[], str | None] = lambda: None


class Transport(Protocol):
    """A module that reaches stores over one kind of URL."""

    def connector(self, url: Url, access: Access) -> Connect:
        """Return what opens a channel, as often as it is called. Raises InvalidInput, NoStore, Unavailable."""


_BUCKET = "runstore.sync.bucket.connect"
TRANSPORTS = {"path": "runstore.sync.local", "ssh": "runstore.sync.ssh", "http": _BUCKET, "s3": _BUCKET, "dir": _BUCKET}
"""The module for each transport. What lies behind an http URL, a server or static files, is found out with the first call."""


def open_remote(text: str, access: Access) -> Remote:
    """Return the peer at a URL; the connection is opened when it is first asked. Raises InvalidInput for a URL that cannot be used."""
    url = parse_url(text)
    name = TRANSPORTS.get(url.transport)
    if name is None:
        raise InvalidInput(
            f"this program cannot reach {url.transport} URLs", hint="a path, ssh, http and object storage can be reached", kind="bad-url"
        )
    transport: Transport = import_module(name)
    return Remote(transport.connector(url, access), text)
