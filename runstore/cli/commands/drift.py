"""`runstore drift`: requests that something else answers now than answered before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runstore.cli import safe, times
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag
from runstore.cli.errors import DIFFERS, DONE, say
from runstore.cli.output import Output, clip, columns, count
from runstore.errors import InvalidInput

if TYPE_CHECKING:
    from runstore.query.drift import Drift, Served
    from runstore.query.paths import Fetch

_SAID = {
    "same": "the answers are the same",
    "changed": "the answers changed with it",
    "partly": "some answers are the same",
    "unknown": "no complete answers to compare",
}


def run(context: Context, *, revs: tuple[str, ...], all: bool, exit_code: bool, json: bool) -> int:
    """Print the requests that several runtimes answered."""
    if all == bool(revs):
        raise InvalidInput("drift of what?", hint="name a ref, or write --all for the whole store", kind="usage")
    repo = context.repo_to_read()
    told: Counter[str] = Counter()
    if not json:
        context.out.page()
    for found in repo.drift(*revs):
        told[found.answers] += 1
        if json:
            context.out.json(as_json(found))
        else:
            context.out.lines(_lines(context.out, found, repo.fetch))
    if not json:
        _conclude(context.out, told)
    return DIFFERS if exit_code and told else DONE


def _lines(out: Output, found: Drift, fetch: Fetch) -> Iterator[str]:
    from runstore.model.trees import decode_tree_trusted
    from runstore.query.summary import Summaries

    question = Summaries(fetch).question(decode_tree_trusted(fetch(found.served[0].run.id).body))
    yield clip(f"{out.paint('request ' + found.request.hex()[:12], 'yellow')}  {safe.line(question)}", out.width)
    yield from columns(
        [["  " + _when(one.first), _runtime(one), count(one.executions, "execution"), _answers(one)] for one in found.served]
    )
    for change in found.changes:
        yield clip(f"  ~ {safe.line(change.path)}  {safe.line(str(change.old))} → {safe.line(str(change.new))}", out.width)
    yield f"  {_SAID[found.answers]}"
    yield ""


def _conclude(out: Output, told: Counter[str]) -> None:
    if not told:
        say("no drift: no request was answered by more than one runtime")
        return
    parts = [f"{_SAID[name]} in {number}" for name, number in told.most_common()]
    out.line(f"{count(told.total(), 'request')} answered by more than one runtime: {', '.join(parts)}")


def _when(time: int | None) -> str:
    return "unknown" if time is None else times.local(time)[:16]


def _runtime(one: Served) -> str:
    values = one.runtime.values() if isinstance(one.runtime, dict) else ()
    return safe.line(", ".join(str(value) for value in values if isinstance(value, str))) or "not said"


def _answers(one: Served) -> str:
    return count(one.answers, "answer")


def as_json(found: Drift) -> dict[str, Any]:
    """Return a drift as one JSON object."""
    return {
        "request": found.request.hex(),
        "since": found.since,
        "since_utc": None if found.since is None else times.utc(found.since),
        "answers": found.answers,
        "changes": [{"path": one.path, "change": one.change, "old": one.old, "new": one.new} for one in found.changes],
        "newest": found.newest.hex,
        "served": [
            {
                "runtime": one.runtime,
                "run": one.run.hex,
                "first": one.first,
                "last": one.last,
                "executions": one.executions,
                "answers": one.answers,
            }
            for one in found.served
        ],
    }


COMMAND = Command(
    run,
    argument("REV", name="revs", many=True, required=False),
    flag("--all", help="Of every request in the store."),
    flag("--exit-code", help="Exit with 1 if there is any."),
    JSON,
    help="""List the requests that more than one runtime has answered: another model version, fingerprint or engine behind the same name,
for exactly the same request. Says since when, and whether the answers changed with it.

With revisions, the requests in their logs, wherever in the store they were answered; `runstore rerun` asks them again.""",
    examples="""runstore drift main
runstore drift --all --exit-code
runstore drift main --json | jq .since""",
)
