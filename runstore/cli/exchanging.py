"""What the commands of exchange share: the verbs with their surroundings, progress, and how refs and states are shown."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runstore.cli import safe
from runstore.cli.declare import number, option
from runstore.cli.output import Output, columns, count, size

if TYPE_CHECKING:
    from runstore.cli.context import Context
    from runstore.model.ids import Link
    from runstore.store.protocol import Store, Table
    from runstore.sync.connect import Access
    from runstore.sync.exchange import Exchange
    from runstore.sync.fetch import Fetched
    from runstore.sync.partial import Omission

_SHORT = 12

OMITTING = (
    number("--depth", metavar="N", help="Only the newest N executions of each ref."),
    option("--since", metavar="TIME", help='Only executions started at TIME or later: 2026-01-31, "2 weeks ago".'),
    option(
        "--without",
        metavar="WHAT",
        many=True,
        choices=("output", "documents", "blobs"),
        help="Leave out outputs, documents or blobs. Repeatable.",
    ),
)


def actor_name(context: Context) -> str:
    """Return who acts where no store says it: the option, the environment, else user@host."""
    from getpass import getuser
    from socket import gethostname

    from runstore.cli.settings import wanted_actor

    return wanted_actor(context.actor) or f"{getuser()}@{gethostname()}"


def directory(context: Context) -> str:
    """Return the directory of the store, where its settings are. Raises NoStore, and InvalidInput for a store without one."""
    from runstore.errors import InvalidInput

    found = getattr(context.repo_to_read(check_index=False).store, "directory", None)
    if not isinstance(found, str):
        raise InvalidInput("this store has no settings", hint="name a store in a directory")
    return found


def store_or_none(context: Context) -> Store | None:
    """Return the store, or None where there is none."""
    from runstore.errors import NoStore

    try:
        return context.repo().store
    except NoStore:
        return None


def tables() -> tuple[Table, ...]:
    """Return the tables of a whole store."""
    from runstore.repo import TABLES

    return TABLES


def access(actor: str) -> Access:
    """Return what transports are told, from the environment: $RUNSTORE_SSH and $RUNSTORE_TOKEN."""
    from runstore.repo import TABLES, now_microseconds
    from runstore.sync.connect import Access

    return Access(TABLES, now_microseconds, actor, _ssh(), _token)


def _ssh() -> tuple[str, ...]:
    return tuple(shlex.split(os.environ.get("RUNSTORE_SSH") or "ssh"))


def _token() -> str | None:
    return os.environ.get("RUNSTORE_TOKEN") or None


@contextmanager
def exchange(context: Context, verb: str, *, read_only: bool = False) -> Iterator[Exchange]:
    """Open the store and give its verbs of exchange, with a progress bar."""
    from runstore.cli.progress import Progress

    repo = context.repo_to_read() if read_only else context.repo()
    with Progress(verb, "objects") as progress:
        yield repo.exchange(ssh=_ssh(), token=_token, progress=progress.add)


def omission_from(depth: int | None, since: str | None, without: Iterable[str]) -> Omission:
    """Return what is to be left out, from what was typed."""
    from runstore.sync.partial import omission

    return omission(depth=depth, since=None if since is None else _moment(since), without=without)


def _moment(text: str) -> int:
    from runstore.cli.settings import zone
    from runstore.query.dates import parse_time
    from runstore.repo import now_microseconds

    return parse_time(text, now=now_microseconds(), zone=zone())


def short(link: Link | None) -> str:
    """Return the beginning of an id; a dash for nothing."""
    return "-" if link is None else link.hex[:_SHORT]


def say_moves(out: Output, rows: Iterable[tuple[str, Link | None, Link, str]]) -> None:
    """Print what became of refs: the state, where it stood and stands, its name."""
    shown = [(state, short(old), short(new), safe.line(name)) for name, old, new, state in rows]
    for line in columns(shown) if shown else []:
        out.line(line)


def moves_json(rows: Iterable[tuple[str, Link | None, Link, str]]) -> list[dict[str, Any]]:
    """Return what became of refs for --json."""
    return [{"ref": name, "old": None if old is None else str(old), "new": str(new), "state": state} for name, old, new, state in rows]


def brought_json(fetched: Fetched, *, dry_run: bool) -> dict[str, Any]:
    """Return what a fetch brought, for --json."""
    refs = moves_json((ref.ours, ref.old, ref.new, ref.state) for ref in fetched.refs)
    return {"refs": refs, "objects": fetched.objects, "bytes": fetched.bytes, "dry_run": dry_run}


def amount(objects: int, transferred: int) -> str:
    """Return objects and bytes as people read them."""
    return f"{count(objects, 'object')}, {size(transferred)}"
