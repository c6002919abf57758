"""`runstore hash`: the id that a file would have. No store is read or written."""

from __future__ import annotations

from collections.abc import Callable

from runstore.cli import inputs
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, option
from runstore.model.ids import Kind, Link


def run(context: Context, *, file: str, kind: str | None, json: bool) -> None:
    """Print the id of FILE taken as a blob, or as what `--kind` says."""
    link = _LINKS[kind or "blob"](file)
    if json:
        context.out.json({"kind": link.kind.label, "id": link.hex})
    else:
        context.out.line(link.hex)


def _blob(file: str) -> Link:
    from runstore.model.ids import make_object

    return make_object(Kind.BLOB, inputs.read_file(file)).link


def _value(file: str) -> Link:
    from runstore.model.run import value_part

    return value_part(inputs.read_json(file), "value").link


def _settings(file: str) -> Link:
    from runstore.model.ids import make_object
    from runstore.model.settings import encode_settings

    return make_object(Kind.VALUE, encode_settings(inputs.read_json(file)).body).link


def _list(file: str) -> Link:
    from runstore.errors import InvalidInput
    from runstore.model.run import list_part

    value = inputs.read_json(file)
    if not isinstance(value, list):
        raise InvalidInput(f"{inputs.name_of(file)} holds no JSON array, and a list is made of one")
    return list_part(value, "list").link


def _run(file: str) -> Link:
    from runstore.cli.commands.add import item

    return item(inputs.read_json(file), None).run.link


_LINKS: dict[str, Callable[[str], Link]] = {"blob": _blob, "value": _value, "settings": _settings, "list": _list, "run": _run}

COMMAND = Command(
    run,
    argument("FILE"),
    option(
        "--kind",
        metavar="KIND",
        choices=tuple(_LINKS),
        help="What FILE is: blob (its bytes; the default), or JSON: value, settings, list, run.",
    ),
    JSON,
    help="""Print the id that FILE (- for standard input) would have. Nothing is stored, and no store is needed.

The id of a blob can be checked without runstore: b3sum --derive-key "runstore 2026 v1 blob" FILE""",
    examples="""runstore hash policy.pdf
runstore hash --kind value message.json
runstore hash --kind run run.json""",
)
