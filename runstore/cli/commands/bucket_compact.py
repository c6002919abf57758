"""`runstore bucket compact`: merge the small packs of a bucket, and remove what is not needed."""

from __future__ import annotations

import os

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, number
from runstore.cli.output import count, size
from runstore.errors import InvalidInput

_HOUR = 3600 * 1_000_000


def run(context: Context, *, url: str | None, min_age: int | None, json: bool) -> None:
    """Compact the bucket at URL, else the one that is the store."""
    from runstore.repo import now_microseconds
    from runstore.sync.bucket.compact import DAY, compact
    from runstore.sync.bucket.connect import open_bucket

    place = url or context.store or os.environ.get("RUNSTORE")
    if place is None:
        raise InvalidInput("no bucket is named", hint="name one: `runstore bucket compact s3://bucket/prefix`", kind="bad-url")
    done = compact(open_bucket(place), now=now_microseconds, min_age=DAY if min_age is None else min_age * _HOUR)
    if json:
        context.out.json(done._asdict())
        return
    packs = f"{count(done.packs_before, 'pack')} ({size(done.bytes_before)}) → {count(done.packs_after, 'pack')} ({size(done.bytes_after)})"
    context.out.line(f"{packs}, retired {count(done.retired, 'object')}, removed {done.removed}")


COMMAND = Command(
    run,
    argument("URL", required=False),
    number(
        "--min-age", metavar="HOURS", help="Remove what has not been needed for HOURS. Default: 24. Less only if nobody else is at work."
    ),
    JSON,
    help="""Merge the small packs of a bucket (URL, else the one that --store or $RUNSTORE names), and remove what is not needed any more.

Readers and writers go on meanwhile. Writers merge by themselves when small packs are many; this also finds what interrupted ones left. What
is not needed is retired first and removed by a later run, when it has been retired for the minimum age: run it once a day.""",
    examples="runstore bucket compact s3://team-runs/support",
)
