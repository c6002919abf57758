"""`runstore remote add`: name a remote."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option


def run(context: Context, *, name: str, url: str, token_command: str | None) -> None:
    """Remember where a remote is."""
    from runstore.sync.remotes import add_remote

    add_remote(exchanging.directory(context), name, url, token_command=token_command)


COMMAND = Command(
    run,
    argument("NAME"),
    argument("URL"),
    option("--token-command", metavar="COMMAND", help="A command that prints the token for a server."),
    help="""Remember URL as NAME in the store's settings. The remote named origin is the one that push, fetch and pull take by themselves.

URL is a path, ssh://host/path, host:path, https://host/name or s3://bucket/prefix. It holds no password: a token comes from
$RUNSTORE_TOKEN or from the token command.""",
    examples="""runstore remote add origin ssh://build.example.org/srv/runs
runstore remote add team https://runs.example.org/team --token-command "pass show runs" """.rstrip(),
)
