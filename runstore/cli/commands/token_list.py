"""`runstore token list`: list who may call a server."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.commands.token_add import DEFAULT_FILE, FILE
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.output import columns


def run(context: Context, *, file: str | None, json: bool) -> None:
    """List names, grants and when they end; never a token or a hash."""
    from runstore.serve.tokens import read_tokens

    found = read_tokens(file or DEFAULT_FILE).all
    if json:
        for token in found:
            ends = None if token.expires is None else token.expires.isoformat()
            context.out.json({"name": token.name, "may": [str(grant) for grant in token.grants], "expires": ends})
        return
    rows = [(token.name, "; ".join(map(str, token.grants)), "" if token.expires is None else f"until {token.expires}") for token in found]
    context.out.lines(columns([tuple(safe.line(text) for text in row) for row in rows]) if rows else [])


COMMAND = Command(
    run,
    FILE,
    JSON,
    help="""List the tokens of FILE by name, with what each may do and until when. The tokens themselves are not in it.""",
    examples="runstore token list",
)
