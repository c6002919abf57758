"""What the `import` commands for recorded calls share: their options, what they print, and how they end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from runstore.cli import inputs, redaction
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, Parameter, argument, flag, option
from runstore.cli.errors import DONE, PARTLY, say
from runstore.cli.output import count, size

if TYPE_CHECKING:
    from runstore.capture.importers.intake import Outcome
    from runstore.capture.importers.report import Row

REF = option("--ref", metavar="NAME", help="Put all on this ref, as one chain a file. Default: a ref for each session of the source.")
REPORT = flag("--report", help="Say for each API how exact the import was.")

_COLUMNS = ("exchanges", "decoded", "byte_exact", "json_equal", "raw_kept", "served", "unresolved")
_COMMON = """An entry that cannot be read is named and skipped: exit code 3. Importing again, or
elsewhere, gives the same ids and adds nothing. What the source does not say is unknown. Where there is no
store, ./.runstore is made; a store that --store or $RUNSTORE names must be there."""


def command(format: str, *parameters: Parameter, help: str, examples: str) -> Command:
    """Declare the command that imports a format; `help` says in its own words what becomes of the source."""

    def run(context: Context, *, files: tuple[str, ...], redact: bool, no_redact: bool, refuse_secrets: bool, **options: Any) -> int:
        choice = redaction.choice(mask=redact, off=no_redact, refuse=refuse_secrets)
        return import_files(context, format, files, choice=choice, **options)

    return Command(
        run,
        argument("FILE", name="files", many=True),
        REF,
        REPORT,
        *redaction.OPTIONS,
        *parameters,
        JSON,
        help=help + _COMMON,
        examples=examples,
    )


def import_files(
    context: Context,
    format: str,
    files: Sequence[str],
    *,
    choice: str | None,
    ref: str | None,
    report: bool,
    json: bool,
    **options: Any,
) -> int:
    """Import files of a format, and say what was new. `choice` is that of redaction; `options` go to the reader."""
    from runstore.capture.importers.intake import import_entries
    from runstore.cli.progress import Progress

    module = import_module("runstore.capture.importers." + format.replace("-", "_"))
    reader: Any = module.reader(**options) if hasattr(module, "reader") else module
    opened = sources(files)
    repo = context.repo_to_write()
    redactor = redaction.redactor_of(repo, choice)
    with Progress("importing", "calls") as progress:
        outcome = import_entries(
            repo, format, reader.read, opened, ref=ref, redactor=redactor, rest=getattr(reader, "rest", None), progress=progress.add
        )
    _tell(outcome)
    if json and report:
        for row in outcome.report:
            context.out.json(row.as_json())
    elif json:
        context.out.json(_as_json(outcome))
    else:
        context.out.line(_summary(outcome))
        if report:
            for line in table(outcome.report):
                context.out.line(line)
    return PARTLY if outcome.skipped else DONE


def sources(files: Sequence[str]) -> list[tuple[str, AbstractContextManager[BinaryIO]]]:
    """Return files by name, to be opened when their turn comes. Raises NotFound for one that cannot be read."""
    return [(inputs.name_of(file), _opened(file)) for file in files]


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    if file == "-":
        return _standard_input()
    with inputs.open_file(file):  # what cannot be read is said before a store is made
        return inputs.open_file(file)


@contextmanager
def _standard_input() -> Iterator[BinaryIO]:
    yield sys.stdin.buffer


def _tell(outcome: Outcome) -> None:
    for skipped in outcome.skipped:
        say(f"error: {', '.join(part for part in (skipped.file, skipped.place) if part)}: {skipped.reason}")
    if outcome.left_out:
        say(f"left out: {count(outcome.left_out, 'call')} of no API that is known here")
    unknown: Counter[str] = sum((Counter(row.unknown) for row in outcome.report), Counter())
    if unknown:
        said = ", ".join(f"{slot} of {number}" for slot, number in sorted(unknown.items()))
        say(f"not recorded: {said} of {count(outcome.executions, 'execution')}")


def _summary(outcome: Outcome) -> str:
    new = f"{count(outcome.new_objects, 'new object')} ({size(outcome.new_bytes)})" if outcome.new_objects else "nothing new"
    return f"{count(outcome.executions, 'execution')} on {count(outcome.refs, 'ref')}, {new}"


def table(rows: Sequence[Row]) -> list[str]:
    """Return the report as lines of text."""
    cells = [["api", *_COLUMNS], *([row.api or "(no API known here)", *(str(getattr(row, name)) for name in _COLUMNS)] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(cells[0]))]
    return [
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "executions": outcome.executions,
        "refs": outcome.refs,
        "new_objects": outcome.new_objects,
        "bytes": outcome.new_bytes,
        "left_out": outcome.left_out,
        "skipped": [{"file": one.file, "place": one.place, "reason": one.reason} for one in outcome.skipped],
    }
