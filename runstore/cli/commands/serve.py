"""`runstore serve`: let other stores push to these and fetch from them."""

from __future__ import annotations

import sys
from io import BufferedReader
from typing import cast

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, flag, option
from runstore.cli.errors import say
from runstore.errors import InvalidInput

_LOOPBACK = ("127.", "localhost", "::1")


def run(
    context: Context,
    *,
    stores: tuple[str, ...],
    stdio: bool,
    http: str | None,
    tokens: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    limit: tuple[str, ...],
) -> None:
    """Answer the calls of other stores."""
    if stdio == (http is not None):
        raise InvalidInput(
            "serve is told no way to be reached" if http is None else "serve has one way to be reached at a time",
            hint="--http ADDRESS serves over HTTP, --stdio one peer on standard input and output",
        )
    if http is not None:
        _over_http(stores, http, tokens, tls_cert, tls_key, limit)
        return
    if len(stores) != 1 or tokens or tls_cert or tls_key or limit:
        raise InvalidInput("--stdio serves one store, with all rights", hint="the other options belong to --http")
    _over_stdio(context, stores[0])


def _over_stdio(context: Context, path: str) -> None:
    from runstore.sync.local import open_endpoint, store_path
    from runstore.sync.streams import serve_streams

    endpoint, store = open_endpoint(store_path(path), exchanging.access(exchanging.actor_name(context)))
    try:
        serve_streams(endpoint.answer, cast("BufferedReader", sys.stdin.buffer), sys.stdout.buffer)
    finally:
        store.close()


def _over_http(stores: tuple[str, ...], http: str, tokens: str | None, cert: str | None, key: str | None, limits: tuple[str, ...]) -> None:
    from runstore.repo import TABLES, now_microseconds
    from runstore.serve.run import Tls, free_address, parse_address, serve, url_of
    from runstore.serve.settings import Settings, named_stores, with_limits
    from runstore.serve.tokens import read_tokens

    named = named_stores(stores)
    if tokens is None:
        hint = f'`runstore token add NAME --file tokens.toml --may "append {named[0][0]}"` makes one; then --tokens tokens.toml'
        raise InvalidInput("nobody may call without a file of tokens", hint=hint)
    read_tokens(tokens)
    if (cert is None) != (key is None):
        raise InvalidInput("TLS needs a certificate and its key", hint="--tls-cert FILE --tls-key FILE")
    tls = None if cert is None or key is None else Tls(cert, key)
    address = free_address(parse_address(http))
    taken, pace = with_limits(limits)

    def ready() -> None:
        for name, directory in named:
            say(f"serving {directory} at {url_of(address, tls)}/{name}")
        if tls is None and not address.host.startswith(_LOOPBACK):
            say("hint: tokens cross this network readable; --tls-cert and --tls-key, or a proxy with TLS in front, hide them")

    serve(Settings(named, tokens, TABLES, now_microseconds, taken, pace), address, tls=tls, ready=ready)


COMMAND = Command(
    run,
    argument("STORE", name="stores", many=True),
    option("--http", metavar="ADDRESS", help="Serve over HTTP at HOST:PORT; 8321 alone is 127.0.0.1:8321."),
    option("--tokens", metavar="FILE", help="Who may call, and do what: see runstore token add."),
    option("--tls-cert", metavar="FILE", help="Serve over HTTPS with this certificate (PEM)."),
    option("--tls-key", metavar="FILE", help="The certificate's key (PEM)."),
    option(
        "--limit",
        metavar="NAME=N",
        many=True,
        help="Another limit: objects, bytes, body, frame, ratio, unordered, refs, seconds, depth of one transfer; calls at once, rate"
        " (calls a minute and token), idle (seconds). Repeatable.",
    ),
    flag("--stdio", help="Serve one peer on standard input and output: what ssh runs."),
    help="""Let other stores push to these and fetch from them. STORE is a directory, or NAME=DIRECTORY.

With --http, each store has the URL http://ADDRESS/NAME, where NAME is the directory's unless it is given. Who may do what stands in the
file of tokens; nobody else learns anything. A log line for each request goes to standard error. SIGTERM and Ctrl-C end the server when
the calls that run are answered. It needs the extra: pip install 'runstore[serve]'.

With --stdio, one peer is served on standard input and output, with all rights: who can run this can write the store's files. This is what
ssh://host/path runs on the host.""",
    examples="""runstore serve --http 8321 --tokens tokens.toml team=/srv/runs
runstore serve --http 0.0.0.0:443 --tokens tokens.toml --tls-cert c.pem --tls-key k.pem /srv/runs
runstore serve --stdio /srv/runs""",
)
