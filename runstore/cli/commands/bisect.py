"""`runstore bisect`: find the change that turned a good answer bad."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runstore.cli.commands.rerun import ASKING
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number, option
from runstore.cli.errors import DONE, PARTLY, say
from runstore.errors import InvalidInput

if TYPE_CHECKING:
    from runstore.repo import Repo
    from runstore.reproduce.bisect.along import Turn
    from runstore.reproduce.bisect.running import Bisection
    from runstore.reproduce.bisect.sampling import Plan
    from runstore.reproduce.bisect.trials import Step


def run(
    context: Context,
    *,
    command: tuple[str, ...],
    good: str | None,
    bad: str | None,
    over: str | None,
    samples: int | None,
    threshold: str | None,
    no_ask: bool,
    fresh: bool,
    trials: int | None,
    against: str | None,
    key_from: str | None,
    timeout: int | None,
    json: bool,
) -> int:
    """Find what turned GOOD into BAD, or the first bad execution of a log, and print it."""
    from runstore.cli import bisecttext
    from runstore.cli.surroundings import surroundings
    from runstore.reproduce.bisect.along import first_bad
    from runstore.reproduce.bisect.judging import CommandJudge
    from runstore.reproduce.bisect.options import Options
    from runstore.reproduce.bisect.running import bisect
    from runstore.reproduce.bisect.sampling import plan

    if over is None and (good is None or bad is None):
        raise InvalidInput(
            "bisect searches between two runs", hint="name them with --good REV --bad REV, or a log with --over REF", kind="usage"
        )
    wanted = plan(samples or 1, _share(threshold))
    repo = context.repo()
    around = surroundings(repo, against=against, key_from=key_from, timeout=timeout)
    judge = CommandJudge(command, {**os.environ, "RUNSTORE": _place(repo)})
    options = Options(wanted, not no_ask, fresh, trials, "\0".join(command), _told)
    if over is not None:
        turn = first_bad(repo, over, judge, around, options, good=good, bad=bad)
        context.out.json(_turn(turn, wanted)) if json else context.out.lines(bisecttext.turn(turn))
        return DONE if len(turn.first) == 1 else PARTLY
    assert good is not None
    assert bad is not None
    found = bisect(repo, good, bad, judge, around, options)
    context.out.json(as_json(found, wanted)) if json else context.out.lines(bisecttext.lines(context.out, found, wanted))
    return DONE if found.finished else PARTLY


def _told(step: Step) -> None:
    from runstore.cli import bisecttext

    say(bisecttext.step(step))


def _share(text: str | None) -> float:
    try:
        return 0.5 if text is None else float(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no share", hint="--threshold takes a number above 0 and at most 1", kind="bad-plan") from error


def _place(repo: Repo) -> str:
    store: Any = repo.store
    return os.path.abspath(str(getattr(store, "directory", None) or store.path))


def as_json(found: Bisection, wanted: Plan) -> dict[str, Any]:
    """Return the result as one JSON object."""
    from runstore.cli import bisecttext
    from runstore.reproduce.bisect.mixing import NOTHING

    def side(value: Any) -> Any:
        return None if value is NOTHING else value

    return {
        "good": None if found.good is None else found.good.hex,
        "bad": None if found.bad is None else found.bad.hex,
        "changes": [
            {"slot": one.slot, "place": one.place, "change": one.kind, "old": side(one.old), "new": side(one.new)} for one in found.changes
        ],
        "of": found.of,
        "left": list(found.left),
        "finished": found.finished,
        "run": None if found.run is None else found.run.hex,
        "execution": None if found.execution is None else found.execution.hex,
        "unjudged": found.unjudged,
        **_counts(found, wanted),
        "confidence": None if found.confidence is None else round(found.confidence, 6),
        "verdict": bisecttext.verdict(found),
    }


def _turn(found: Turn, wanted: Plan) -> dict[str, Any]:
    from runstore.cli import bisecttext

    return {
        "before": found.before.hex,
        "first": [link.hex for link in found.first],
        "of": found.of,
        **_counts(found, wanted),
        "verdict": bisecttext.turn_verdict(found),
    }


def _counts(found: Bisection | Turn, wanted: Plan) -> dict[str, Any]:
    return {
        "ref": f"heads/{found.ref}",
        "trials": found.trials,
        "remembered": found.remembered,
        "asked": found.asked,
        "samples": wanted.samples,
        "threshold": wanted.threshold,
    }


COMMAND = Command(
    run,
    option("--good", metavar="REV", help="A run whose answer is good."),
    option("--bad", metavar="REV", help="A run whose answer is bad."),
    option("--over", metavar="REF", help="Find the first bad execution of this log instead, by the answers recorded there."),
    number("--samples", metavar="N", help="Judge up to N answers to each composition (1)."),
    option("--threshold", metavar="P", help="Bad is a composition of whose answers at least this share is bad (0.5)."),
    flag("--no-ask", help="Ask nothing: COMMAND asks by itself, with the request in $RUNSTORE_REQUEST."),
    flag("--fresh", help="Ask also where an answer is recorded already."),
    number("--trials", metavar="N", help="Judge at most N compositions, and say how far that led."),
    *ASKING,
    JSON,
    argument("COMMAND", many=True),
    help="""Find the change that turned a good answer bad. What differs between the two runs is mixed: lines of the prompt, parameters,
tools, documents, messages. Each mix is asked of the model, and COMMAND says what its answer is: it exits with 0 for good, 1 for bad, 125
where that cannot be said. $RUNSTORE_ANSWER is a file with the answer's text, $RUNSTORE_REQUEST one with the request's body; $RUNSTORE_RUN
and $RUNSTORE_EXECUTION are ids.

Answers that are recorded are not asked for again, and every trial is recorded on bisect/ID: an interrupted bisect goes on where it was.""",
    examples="""runstore bisect --good main~1 --bad main -- sh -c '! grep -q refund "$RUNSTORE_ANSWER"'
runstore bisect --good main~1 --bad main --samples 9 --threshold 0.3 -- ./judge
runstore bisect --over main --good v1 -- ./judge""",
    program=True,
)
