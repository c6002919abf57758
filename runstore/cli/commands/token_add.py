"""`runstore token add`: let somebody call a server."""

from __future__ import annotations

import os
from datetime import date

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option
from runstore.cli.errors import say
from runstore.errors import InvalidInput

FILE = option("--file", metavar="FILE", help="The file of tokens. Default: tokens.toml.")
DEFAULT_FILE = "tokens.toml"


def run(context: Context, *, name: str, file: str | None, may: tuple[str, ...], expires: str | None) -> None:
    """Make a token, keep its hash, and print it once."""
    from runstore.serve.grants import parse_grant
    from runstore.serve.tokens import add_token, new_secret

    path = file or DEFAULT_FILE
    if not may:
        raise InvalidInput("a token without a right opens nothing", hint='--may "read STORE", or "append STORE", "append STORE heads/ci/*"')
    secret = new_secret(os.urandom(32))
    token = add_token(path, name, secret, [parse_grant(text) for text in may], expires=None if expires is None else _day(expires))
    context.out.line(secret)
    say(f"{token.name} may {'; '.join(str(grant) for grant in token.grants)}. {path} keeps the hash alone: this token is not shown again")
    say("hint: its owner sets RUNSTORE_TOKEN to it, or `runstore remote add … --token-command COMMAND`")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no day", hint="as 2027-01-31") from error


COMMAND = Command(
    run,
    argument("NAME"),
    FILE,
    option("--may", metavar="GRANT", many=True, help='What the token may do: "append team", "read team heads/ci/*". Repeatable.'),
    option("--expires", metavar="DAY", help="The first day (UTC) on which it is not valid any more, as 2027-01-31."),
    help="""Make a token for NAME and print it. FILE keeps its hash and what it may do; a running server knows it at once.

A grant is RIGHT STORE [REFS]. The rights, each with those before it: read (fetch), append (make refs, move them forward), force (move them
anywhere), admin (see the figures at /metrics). STORE is the name in the URL, or * for all. REFS is a full name (heads/main), or has *
for any text; all refs unless it is given. Work on a server's files needs no token: it needs the files.""",
    examples="""runstore token add ana --may "append team"
runstore token add ci --may "append team heads/ci/*" --may "read team" --expires 2027-01-01
runstore token add watcher --file /etc/runstore/tokens.toml --may "admin *" """.rstrip(),
)
