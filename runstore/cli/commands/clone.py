"""`runstore clone`: make a store with all that a remote has."""

from __future__ import annotations

import os
from typing import Any

from runstore.cli import exchanging
from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command, argument, flag
from runstore.cli.errors import say


def run(context: Context, *, url: str, dir: str | None, dry_run: bool, json: bool, **asked: Any) -> None:
    """Make a store in DIR with the refs of the store at URL and all that they lead to."""
    from runstore.cli.progress import Progress
    from runstore.sync.clone import clone, directory_for

    place = dir or context.store or directory_for(url)
    omission = exchanging.omission_from(**asked)
    with Progress("cloning", "objects") as progress:
        access = exchanging.access(exchanging.actor_name(context))
        fetched = clone(url, place, access, omission=omission, dry_run=dry_run, progress=progress.add)
    if json:
        context.out.json({"directory": os.path.abspath(place), **exchanging.brought_json(fetched, dry_run=dry_run)})
        return
    done = "would make" if dry_run else "made"
    say(f"{done} a store in {os.path.abspath(place)}: {exchanging.amount(fetched.objects, fetched.bytes)}")


COMMAND = Command(
    run,
    argument("URL"),
    argument("DIR", required=False),
    *exchanging.OMITTING,
    flag("--dry-run", help="Only say what would come."),
    JSON,
    help="""Make a store in DIR with all that the store at URL has: its heads, its tags and what they lead to.

DIR is the last part of URL unless it is given. URL becomes the remote origin.

URL is a path, a bundle, ssh://host/path, host:path, s3://bucket/prefix, dir:///path (the layout of a bucket in a directory) or
https://host/name (a server, or such a directory behind any web server). What was left out is promised: `show` and `fsck` know it from what
is lost, and `runstore fetch --missing` brings it.""",
    examples="""runstore clone /srv/runs
runstore clone ssh://build.example.org/srv/runs runs --without blobs""",
)
