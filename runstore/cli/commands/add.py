"""`runstore add`: record executions given as JSON, or put together from options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runstore.cli import inputs
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, option
from runstore.cli.errors import DONE, PARTLY, say
from runstore.cli.output import count
from runstore.errors import InvalidInput, RunstoreError

if TYPE_CHECKING:
    from runstore.model.run import Run
    from runstore.repo import Repo
    from runstore.runs.record import Recorded

# As many lines go into one transaction: large enough that the disk is not waited for once a run.
_BATCH = 500
_EXAMPLE = 'for example: runstore add --model gpt-4o --prompt "You are terse." --output 4'


_Line = tuple[int, "bytes | InvalidInput"]
"""A line with its number, from 1; or why there are no more that can be read."""


class Item(NamedTuple):
    """One execution to record: its run, and its own fields (`ref` among them)."""

    run: Run
    fields: dict[str, Any]


def run(context: Context, *, file: str | None, jsonl: bool, json: bool, ref: str | None, **parts: Any) -> int:
    """Record what FILE or the options say. Prints the run id, or with `--json` an object, for each execution."""
    given = {name: value for name, value in parts.items() if value not in (None, ())}
    if given and (file is not None or jsonl):
        raise InvalidInput(
            f"--{next(iter(given))} and a file of runs do not go together", hint="put everything into the file, or into options"
        )
    if given:
        return _record(context, item(_from_options(given), ref), json)
    if file is None and is_terminal():
        raise InvalidInput("there is nothing to add: no FILE, no options and nothing on standard input", hint=_EXAMPLE)
    if jsonl:
        return _add_lines(context, file or "-", json, ref)
    return _record(context, item(inputs.read_json(file or "-"), ref), json)


def is_terminal() -> bool:
    """True if somebody would have to type what standard input gives."""
    return sys.stdin.isatty()


def item(value: Any, ref: str | None) -> Item:
    """Compose what one JSON object says. Raises InvalidInput for a key that has no meaning or a slot that cannot be an object."""
    from runstore.model.slots import READING_ORDER
    from runstore.runs.compose import FIELDS, run_from_mapping

    if not isinstance(value, dict):
        raise InvalidInput(
            "a run is a JSON object", hint='for example {"model": {"name": "gpt-4o"}, "prompt": "You are terse.", "output": "4"}'
        )
    keys = (*READING_ORDER, *FIELDS, "ref")
    for key in value:
        if key not in keys:
            raise InvalidInput(f"a run has no key {key!r}", hint=f"the keys are {', '.join(keys)}", kind="bad-name")
    fields = {key: part for key, part in value.items() if key in FIELDS}
    if fields.get("output") is False:
        del fields["output"]  # null and false say of the output, as of a slot, that there is none
    named = value.get("ref")
    if named is not None and not isinstance(named, str):
        raise InvalidInput("`ref` is no text", hint='for example "ref": "main"', kind="bad-name")
    slots = {key: part for key, part in value.items() if key in READING_ORDER}
    inputs.check_shapes(slots)
    inputs.check_fields(fields)
    composed = run_from_mapping(slots)
    return Item(composed, {**fields, "ref": named if named is not None else ref})


def _from_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say, in the form that a file would say it. What no option states stays unknown."""
    read: dict[str, Callable[[Any], Any]] = {
        "model": lambda name: {"name": name},
        "prompt": inputs.text_or_file,
        "parameter": lambda items: inputs.pairs(items, "parameter"),
        "document": lambda files: [inputs.document(file) for file in files],
        "tools": inputs.read_json,
        "history": inputs.read_json,
        "runtime": inputs.read_json,
        "output": inputs.text_or_file,
    }
    named = {"parameter": "parameters", "document": "documents"}
    return {named.get(name, name): read[name](value) for name, value in given.items()}


def _record(context: Context, one: Item, json: bool) -> int:
    _print(context, context.repo_to_write().add(one.run, **one.fields), json)
    return DONE


def _add_lines(context: Context, file: str, json: bool, ref: str | None) -> int:
    from runstore.cli.progress import Progress
    from runstore.store.lines import lines

    name = inputs.name_of(file)
    added = skipped = reached = 0
    with inputs.open_file(file) as stream, Progress("adding", "runs", whole=inputs.plain_size((file,))) as progress:
        repo = context.repo_to_write()
        try:
            for batch in _batches(_numbered(lines(stream), progress)):
                for portion in _add_batch(repo, batch, ref):
                    bad = sum(isinstance(outcome, InvalidInput) for _, outcome in portion)
                    added, skipped, reached = added + len(portion) - bad, skipped + bad, portion[-1][0]
                    for number, outcome in portion:
                        if isinstance(outcome, InvalidInput):
                            progress.clear()
                            say(f"error: {name}, line {number}: {outcome}")
                        else:
                            _print(context, outcome, json)
                progress.add(done=len(batch))
        except (RunstoreError, KeyboardInterrupt):
            progress.clear()
            say(f"stopped after line {reached}: {count(added, 'execution')} added")
            raise
    say(f"added {count(added, 'execution')}" + (f", skipped {count(skipped, 'line')}" if skipped else ""))
    return PARTLY if skipped else DONE


def _add_batch(repo: Repo, batch: list[_Line], ref: str | None) -> Iterator[list[tuple[int, Recorded | InvalidInput]]]:
    """Record a batch of lines in one transaction; yield what became of each, in order, as soon as it is certain."""
    items = [(number, _parsed(line, ref)) for number, line in batch]
    good = [one for _, one in items if isinstance(one, Item)]
    try:
        recorded = iter(repo.add_many(good))
    except InvalidInput:
        # One of them cannot be recorded, and so none was: one at a time shows which.
        for number, one in items:
            yield [(number, _one(repo, one) if isinstance(one, Item) else one)]
        return
    yield [(number, next(recorded) if isinstance(one, Item) else one) for number, one in items]


def _one(repo: Repo, one: Item) -> Recorded | InvalidInput:
    try:
        return repo.add(one.run, **one.fields)
    except InvalidInput as error:
        return error


def _parsed(line: bytes | InvalidInput, ref: str | None) -> Item | InvalidInput:
    from runstore.model.jsontext import parse_json_line

    if isinstance(line, InvalidInput):
        return line
    try:
        return item(parse_json_line(line), ref)
    except InvalidInput as error:
        return error


def _numbered(found: Iterator[bytes], progress: Any) -> Iterator[_Line]:
    number = 0
    try:
        for number, line in enumerate(found, 1):
            progress.add(part=len(line) + 1)
            if line.strip():
                yield number, line
    except InvalidInput as error:
        yield number + 1, error


def _batches(found: Iterator[_Line]) -> Iterator[list[_Line]]:
    batch: list[_Line] = []
    for one in found:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _print(context: Context, recorded: Recorded, json: bool) -> None:
    if json:
        context.out.json(
            {
                "run": recorded.run.hex,
                "request": recorded.request.hex(),
                "execution": recorded.execution.hex,
                "ref": recorded.ref,
                "new_objects": recorded.new_objects,
                "bytes": recorded.new_bytes,
            }
        )
    else:
        context.out.line(recorded.run.hex)


COMMAND = Command(
    run,
    argument("FILE", required=False),
    option("--model", metavar="NAME", help="The model asked for."),
    option("--prompt", metavar="TEXT|@FILE", help="The instructions."),
    option("--parameter", metavar="K=V", many=True, help="A parameter; V is JSON if it parses, else text. Repeatable."),
    option("--document", metavar="FILE", many=True, help="A document: text, or the value of a .json file. Repeatable."),
    option("--tools", metavar="FILE", help="The tool definitions: a JSON array."),
    option("--history", metavar="FILE", help="The messages before the answer: a JSON array."),
    option("--runtime", metavar="FILE", help="What answered: a JSON object."),
    option("--output", metavar="TEXT|@FILE", help="The answer."),
    option("--ref", metavar="NAME", help="The ref to record on. Default: $RUNSTORE_REF, else the store's, else main."),
    flag("--jsonl", help="FILE holds one run a line (also .zst). A bad line is named and skipped: exit code 3."),
    JSON,
    help="""Record an execution of a run and print the run's id.

FILE (- or nothing: standard input) is a JSON object with slots (model, prompt, parameters, documents, tools, history, runtime,
output_format, extra, environment; null is unknown, false is absent) and what happened (output, started, ended, status, usage, notes,
response, wire, actor, message, cause, nonce, ref). Instead of FILE, options may say it; what they do not say is unknown. Where there
is no store, ./.runstore is made, and where it is told; a store that --store or $RUNSTORE names must be there.""",
    examples="""runstore add --model gpt-4o --prompt "You are terse." --parameter temperature=0 --output 4
runstore add run.json --ref support/reply
runstore add --jsonl runs.jsonl.zst""",
)
