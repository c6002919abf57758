"""`runstore rerun`: ask a recorded request again, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstore.cli import safe
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag, number, option
from runstore.cli.errors import DIFFERS, DONE
from runstore.cli.output import columns, count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runstore.reproduce.rerun import Rerun

_PREVIEW = 60


def run(
    context: Context,
    *,
    rev: str,
    times: int | None,
    against: str | None,
    changes: tuple[str, ...],
    removals: tuple[str, ...],
    concurrency: int | None,
    ref: str | None,
    timeout: int | None,
    key_from: str | None,
    exit_code: bool,
    json: bool,
) -> int:
    """Ask REV again and print how the answers agree."""
    from runstore.cli.progress import Progress
    from runstore.cli.surroundings import surroundings
    from runstore.reproduce.rerun import rerun
    from runstore.reproduce.setting import parse_removal, parse_setting

    repo = context.repo()
    settings = [*map(parse_setting, changes), *map(parse_removal, removals)]
    with Progress("asking", "answers") as bar:
        found = rerun(
            repo,
            rev,
            surroundings(repo, against=against, key_from=key_from, timeout=timeout),
            times=times or 1,
            settings=settings,
            concurrency=concurrency or 1,
            ref=ref,
            progress=lambda done, of: bar.add(1),
        )
    if json:
        context.out.json(as_json(found))
    else:
        context.out.lines(_lines(found))
    return DIFFERS if exit_code and not found.agreement.reproduced else DONE


def _lines(found: Rerun) -> Iterator[str]:
    from runstore.reproduce.agreement import verdict

    agreed = found.agreement
    rows = [
        ["request", found.request.hex()[:12] + ("" if found.same_request else f"  not the recorded {found.recorded_request.hex()[:12]}")]
    ]
    rows += [["changed", safe.line(setting.text)] for setting in found.settings]
    rows.append(["recorded", f"{count(len(found.executions), 'execution')} on {found.ref.removeprefix('heads/')}"])
    for at, variant in enumerate(agreed.variants):
        said = f"{variant.times} of {agreed.complete} ({variant.share:.0%}){' as recorded' if variant.recorded else ''}"
        rows.append(["answers" if at == 0 else "", f"{said}  {safe.line(variant.preview)[:_PREVIEW]}"])
    if agreed.first_difference is not None:
        rows.append(["differs", safe.line(agreed.first_difference)])
    if agreed.same_calls is not None and agreed.complete:
        rows.append(["tool calls", f"as recorded in {agreed.same_calls} of {agreed.complete}"])
        ends = ", ".join(f"{safe.line(end)} {number}" for end, number in agreed.ends.items())
        rows.append(["ended", f"as recorded in {agreed.same_ends} of {agreed.complete}{f' ({ends})' if ends else ''}"])
    rows += [["served", _served(runtime, number, agreed.complete)] for runtime, number in agreed.served]
    rows += [["", f"~ {safe.line(change.path)}  {change.old} → {change.new}"] for change in agreed.served_changes]
    yield from columns(rows)
    yield ""
    yield verdict(agreed)


def _served(runtime: dict[str, Any] | None, number: int, of: int) -> str:
    said = "not said" if not runtime else ", ".join(str(value) for value in runtime.values() if isinstance(value, str))
    return safe.line(said) + (f" ({number} of {of})" if number != of else "")


def as_json(found: Rerun) -> dict[str, Any]:
    """Return a rerun as one JSON object."""
    from runstore.reproduce.agreement import verdict

    agreed = found.agreement
    return {
        "recorded": None if found.recorded is None else found.recorded.hex,
        "recorded_request": found.recorded_request.hex(),
        "request": found.request.hex(),
        "same_request": found.same_request,
        "set": [setting.text for setting in found.settings],
        "against": found.against,
        "ref": found.ref,
        "executions": [link.hex for link in found.executions],
        "asked": agreed.asked,
        "failed": agreed.failed,
        "equal": agreed.equal,
        "variants": [
            {
                "output": None if variant.output is None else str(variant.output),
                "count": variant.times,
                "share": round(variant.share, 6),
                "recorded": variant.recorded,
                "preview": variant.preview,
                "executions": [link.hex for link in variant.executions],
            }
            for variant in agreed.variants
        ],
        "first_difference": agreed.first_difference,
        "same_calls": agreed.same_calls,
        "same_ends": agreed.same_ends,
        "ends": agreed.ends,
        "served": [{"runtime": runtime, "count": number} for runtime, number in agreed.served],
        "served_changes": [
            {"path": change.path, "change": change.change, "old": change.old, "new": change.new} for change in agreed.served_changes
        ],
        "reproduced": agreed.reproduced,
        "verdict": verdict(agreed),
    }


ASKING = (
    option("--against", metavar="URL", help="Ask another service: its base URL, in place of the recorded one."),
    option("--key-from", metavar="VARIABLE", help="The variable that holds the service's key, where it is not the usual one."),
    number("--timeout", metavar="SECONDS", help="Give a call up after so long (600)."),
)
"""The options of every command that asks a model."""

COMMAND = Command(
    run,
    argument("REV"),
    number("--times", "-n", metavar="N", help="Ask N times (1)."),
    option("--set", metavar="PATH=VALUE", name="changes", many=True, help="Change one thing, which makes it another run. Repeatable."),
    option("--unset", metavar="PATH", name="removals", many=True, help="Leave one thing out. Repeatable."),
    number("--concurrency", metavar="N", help="So many calls at a time (1)."),
    option("--ref", metavar="NAME", help="Record on this ref (rerun/REQUEST)."),
    *ASKING,
    flag("--exit-code", help="Exit with 1 unless every answer is the recorded one."),
    JSON,
    help="""Send the request of a run again, exactly as it was, record each answer, and say how the answers agree with the recorded one and
with one another.

The key comes from the environment at this moment ($OPENAI_API_KEY, …; $RUNSTORE_API_KEY for a service that runstore does not know) and is
never stored. Each answer is an execution of the same request, on a ref of its own.""",
    examples="""runstore rerun main
runstore rerun main -n 20 --concurrency 4
runstore rerun main -n 5 --set parameters.temperature=0
runstore rerun main --against http://127.0.0.1:8000/v1""",
)
