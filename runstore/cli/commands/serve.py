"""`runstore serve`: let other stores push to this one and fetch from it."""

from __future__ import annotations

import sys
from io import BufferedReader
from typing import cast

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, flag
from runstore.errors import InvalidInput


def run(context: Context, *, store_path: str, stdio: bool) -> None:
    """Answer the calls of one peer on standard input and output."""
    from runstore.sync.local import open_endpoint
    from runstore.sync.local import store_path as found_path
    from runstore.sync.streams import serve_streams

    if not stdio:
        raise InvalidInput("serve is told no way to be reached", hint="--stdio serves one peer on standard input and output")
    endpoint, store = open_endpoint(found_path(store_path), exchanging.access(exchanging.actor_name(context)))
    try:
        serve_streams(endpoint.answer, cast("BufferedReader", sys.stdin.buffer), sys.stdout.buffer)
    finally:
        store.close()


COMMAND = Command(
    run,
    argument("STORE", name="store_path"),
    flag("--stdio", help="Serve one peer on standard input and output: what ssh runs."),
    help="""Let other stores push to STORE and fetch from it.

With --stdio, one peer is served on standard input and output, with all rights: who can run this can write the store's files. This is what
ssh://host/path runs on the host.""",
    examples="runstore serve --stdio /srv/runs",
)
