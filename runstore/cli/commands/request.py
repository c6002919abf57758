"""`runstore request`: the request of a recorded call, as it was sent."""

from __future__ import annotations

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag


def run(context: Context, *, rev: str, curl: bool, python: bool, json: bool) -> None:
    """Print the request that REV was asked with."""
    from runstore.reproduce import request
    from runstore.reproduce.recorded import recorded

    repo = context.repo_to_read()
    call = request.request_of(repo, recorded(repo, rev))
    if json:
        context.out.json(request.as_json(call))
        return
    text = request.as_curl(call) if curl else request.as_python(call) if python else "\n".join(request.as_http(call))
    context.out.page()
    # What is to be run again must come out as it is: only a terminal gets escapes.
    context.out.line(safe.text(text) if context.out.terminal else text)


COMMAND = Command(
    run,
    argument("REV"),
    flag("--curl", help="As a command for curl."),
    flag("--python", help="As a Python program."),
    JSON,
    help="""Print the request that a run was asked with, as it was sent: URL, headers and body, byte for byte.

Credentials are not stored: in their place stands a variable of the environment, which the shell or the program reads when it runs.""",
    examples="""runstore request main
runstore request main~1 --curl | sh
runstore request main --json | jq .json""",
)
