"""`runstore stat`: print counts and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runstore.cli.context import Context
from runstore.cli.declare import JSON, Command
from runstore.cli.output import columns, size


def run(context: Context, *, json: bool) -> None:
    """Print how many objects of which kind the store holds, and what they take."""
    repo = context.repo_to_read(check_index=False)
    found = dict(repo.stat())
    refs = len(repo.refs())
    if json:
        context.out.json({**found, "refs": refs})
        return
    context.out.lines(columns(list(_rows(found, refs)), right=(1, 2)))


def _rows(found: Mapping[str, Any], refs: int) -> Iterator[tuple[str, str, str]]:
    yield "objects", f"{found['objects']:,}", size(found["bytes"])
    for kind, numbers in found["kinds"].items():
        yield f"  {kind}", f"{numbers['objects']:,}", size(numbers["bytes"])
    yield "refs", f"{refs:,}", ""
    yield "segments", f"{sum(found['segments'].values()):,}", size(sum(lane["stored_bytes"] for lane in found["lanes"].values()))
    yield "file", "", size(found["file_bytes"])


COMMAND = Command(
    run,
    JSON,
    help="""Print how many objects of each kind the store holds, and their bytes.

The line of the segments gives what they take compressed, that of the file what they take with all indexes.
With --json also by lane, tier and table.""",
    examples="runstore stat",
)
