"""`runstore ref set`: point a ref at an execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runstore.cli.context import Context
from runstore.cli.declare import Command, argument, option

if TYPE_CHECKING:
    from runstore.model.ids import Link
    from runstore.repo import Repo


def run(context: Context, *, name: str, rev: str, expect: str | None, message: str | None) -> None:
    """Point the ref NAME at the execution that REV names, and print its full name and target."""
    repo = context.repo()
    ref = repo.set_ref(name, rev, expect=_expected(repo, expect), message=message or "")
    context.out.line(f"{ref.name} {ref.target}")


def _expected(repo: Repo, expect: str | None) -> Link | Literal["any"] | None:
    if expect is None:
        return "any"
    return None if expect == "none" else repo.resolve(expect).link


COMMAND = Command(
    run,
    argument("NAME"),
    argument("REV"),
    option("--expect", metavar="REV", help="Only if the ref stands there now (none: if there is no such ref); else exit code 11."),
    option("--message", "-m", metavar="TEXT", help="Why; kept in the reflog."),
    help="""Point a ref at an execution, and make the ref if there is none. `runstore undo` takes it back.""",
    examples="""runstore ref set release main~2
runstore ref set release main --expect main~2""",
)
