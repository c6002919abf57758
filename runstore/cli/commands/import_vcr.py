"""`runstore import vcr`: put the calls of test cassettes in, or make of them recordings that the pytest plugin reads."""

from __future__ import annotations

from typing import Any

from runstore.cli import importing, redaction
from runstore.cli.context import Context
from runstore.cli.declare import Command, option
from runstore.cli.errors import DONE, PARTLY, say
from runstore.cli.output import count

_BASE = importing.command(
    "vcr",
    option("--bundle", metavar="FILE", help="Write them as recordings of tests into FILE, and into no store."),
    help="""Import the calls of cassettes: what vcrpy, pytest-recording and VCR for Ruby write, in YAML or JSON.

Each interaction with an API known here becomes an execution on heads/vcr/FILE. With --bundle they become recordings that `pytest` reads,
the answers that came whole, on a ref for each cassette: that of the test which the cassette is named after. What the file holds of other
tests stays (docs/how-to/pytest.md). YAML needs `pip install 'runstore[capture]'`. """,
    examples="""runstore import vcr tests/cassettes/*.yaml --report
runstore import vcr --bundle tests/recordings/test_agent.runs tests/cassettes/test_agent/*.yaml""",
)


def run(context: Context, *, bundle: str | None, **given: Any) -> int | None:
    """Import into the store, or into a bundle."""
    return _BASE.run(context, **given) if bundle is None else _into(context, bundle, **given)


def _into(
    context: Context,
    bundle: str,
    *,
    files: tuple[str, ...],
    ref: str | None,
    report: bool,
    redact: bool,
    no_redact: bool,
    refuse_secrets: bool,
    json: bool,
) -> int:
    import os

    from runstore import refs
    from runstore.capture.redaction.configured import configured
    from runstore.cli.progress import Progress
    from runstore.errors import InvalidInput
    from runstore.reproduce.recordings.cassettes import take

    if report:
        raise InvalidInput("--report counts what comes into a store, and --bundle uses none", hint="give one of them", kind="bad-options")
    choice = redaction.choice(mask=redact, off=no_redact, refuse=refuse_secrets)
    with Progress("importing", "calls") as progress:
        taken = take(
            os.path.abspath(bundle),
            importing.sources(files),
            ref=None if ref is None else refs.full_name(ref),
            redact=configured({}, choice),
            progress=progress.add,
        )
    for one in taken.skipped:
        say(f"error: {', '.join(part for part in (one.file, one.place) if part)}: {one.reason}")
    if taken.left_out:
        say(f"left out: {count(taken.left_out, 'call')} of no API that is known here")
    if taken.unserved:
        say(f"left out: {count(taken.unserved, 'call')} without a complete answer")
    if json:
        said = {name: getattr(taken, name) for name in ("executions", "refs", "left_out", "unserved")}
        context.out.json({"file": bundle, **said, "skipped": [one._asdict() for one in taken.skipped]})
    else:
        context.out.line(f"{count(taken.executions, 'execution')} on {count(taken.refs, 'ref')} in {bundle}")
    return PARTLY if taken.skipped else DONE


COMMAND = Command(run, *_BASE.parameters, help=_BASE.help, examples=_BASE.examples)
