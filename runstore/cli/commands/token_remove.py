"""`runstore token remove`: take a token back."""

from __future__ import annotations

from runstore.cli.commands.token_add import DEFAULT_FILE, FILE
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument
from runstore.cli.errors import say


def run(context: Context, *, name: str, file: str | None) -> None:
    """Take a token out of the file."""
    from runstore.serve.tokens import remove_token

    path = file or DEFAULT_FILE
    remove_token(path, name)
    say(f"{name} is no longer in {path}: a server refuses it from the next call on")


COMMAND = Command(
    run,
    argument("NAME"),
    FILE,
    help="""Take the token NAME out of FILE. A running server refuses it from the next call on.""",
    examples="runstore token remove ci",
)
