"""`runstore find`: list what used an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runstore.cli import inputs, safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, number, option
from runstore.cli.errors import say
from runstore.cli.ids import Shortener
from runstore.cli.output import clip
from runstore.errors import InvalidInput
from runstore.model.ids import Link
from runstore.query.find import Use, find, links_of_bytes, links_of_value
from runstore.query.summary import first_line

if TYPE_CHECKING:
    from runstore.repo import Repo
    from runstore.store.protocol import Reader


def run(context: Context, *, id: str | None, blob: str | None, value: str | None, limit: int | None, json: bool) -> None:
    """Print the runs and executions that used an object, with the place where it stands."""
    from itertools import islice

    if sum(given is not None for given in (id, blob, value)) != 1:
        raise InvalidInput("find wants one thing: an ID, --blob FILE or --value JSON", hint="for example: runstore find --blob policy.pdf")
    repo = context.repo_to_read()
    links = _links(repo, id, blob, value)
    used = False
    with repo.read() as reader:
        short = Shortener(reader)
        if not json:
            context.out.page()
        for use in islice(find(reader, *links), limit):
            used = True
            if json:
                context.out.json({"object": str(use.object), "run": _hex(use.run), "execution": _hex(use.execution), "place": use.place})
            else:
                context.out.line(clip(_line(use, short, reader), context.out.width))
    if not used:
        say("it is in the store, and no run uses it")


def _links(repo: Repo, id: str | None, blob: str | None, value: str | None) -> list[Link]:
    if id is not None:
        found = repo.resolve(id)
        if found.path is not None:
            raise InvalidInput(
                f"{id} names a part of {found.link}, which is no object of its own", hint="`runstore grep` searches inside objects"
            )
        return [found.link]
    if blob is not None:
        links = links_of_bytes(inputs.read_file(blob))
        return [*links, *links_of_value(inputs.read_json(blob))] if blob.endswith(".json") else links
    return links_of_value(inputs.json_or_file("--value", value or ""))


def _line(use: Use, short: Shortener, reader: Reader) -> str:
    user = use.execution or use.run
    if user is None:
        return use.place
    place = f"{short(user)}:{use.place}" if use.place else short(user)
    return f"{safe.line(place)}  {safe.line(first_line(reader.get(user.id), reader.get, 200))}"


def _hex(link: Link | None) -> str | None:
    return None if link is None else link.hex


COMMAND = Command(
    run,
    argument("ID", required=False),
    option("--blob", metavar="FILE", help="A file, as a blob or as a text; of a .json file also its value."),
    option("--value", metavar="JSON", help="A value: a message, a tool, a document, a prompt. @FILE reads it from a file."),
    number("--limit", "-n", metavar="N", help="At most N places."),
    JSON,
    help="""List the runs and executions that used an object (a file, document, tool, message or prompt), with the place where it stands.

Only whole objects are found; `runstore grep` searches inside them.""",
    examples="""runstore find --blob policy.md
runstore find --value '{"role": "user", "content": "hi"}'
runstore find main:tools/0""",
)
