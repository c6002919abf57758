"""`runstore remote set-url`: change where a remote leads."""

from __future__ import annotations

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import Command, argument


def run(context: Context, *, name: str, url: str) -> None:
    """Change the URL of a remote."""
    from runstore.sync.remotes import set_url

    set_url(exchanging.directory(context), name, url)


COMMAND = Command(
    run,
    argument("NAME"),
    argument("URL"),
    help="""Change where the remote NAME leads.""",
    examples="runstore remote set-url origin ssh://build.example.org/srv/runs",
)
