"""RESULTS.md: what was measured beside what was promised, written by the run that measured it."""

import os
import platform
from collections.abc import Iterator, Sequence

from benchmarks.clock import mean_cpu, ratio_of_medians
from benchmarks.figures import Figure, Measured, Row

HEAD = """# Results

Written by `python -m benchmarks`{command}; do not edit. Python {python}
({build}), {system}, {cores} cores, shared with other work.

Every store keeps the same calls. Processor time counts user and kernel mode and child processes; wall times are medians of interleaved
series. Bytes are those of all files, indexes included. Less is better everywhere.

![Bytes of the same calls in each store](results.svg)
"""
METHOD = """## How to read it

- *Own processor time* of a durable add leaves out what two bare syncs of the same bytes cost the kernel, measured beside it; the sum
  stands in brackets. It is a mean over all adds, so the joining of segments that falls to every n-th add is in it; of several rounds the
  cheapest counts, as others on the machine can only add.
- *Two `fdatasync`s*: the bytes that the add wrote, appended to a file in two halves with a sync after each. In the second table: two
  pages, and calls of some whole conversations added to each store in turn.
- *This machine*: the targets in microseconds were set on another. The loop says how fast Python is here; the add by calls of the
  libraries alone hashes, compresses and commits the same new bytes with no index but one, no refs and nothing joined, and is the least
  that a store of these libraries can take; the syncs count on both sides. Both are measured in the same run.
- *Python*: how it was built counts. One that was optimised by a profile and at link time, as distributions ship it, takes about a fifth
  less for what runs in the interpreter than one that was compiled with the default options.
- *A process*: the environment holds what runstore needs and no packages that were installed to be edited, since the finder of one takes
  longer to load than all of Python.
- *git*: one file a message and one for each other component, a commit a call, fed by `git fast-import` with the files that changed; for a
  durable add one process with all syncs on. Commit graph, bitmaps and long branch names are left out, which favours git. It reads
  through one `git cat-file --batch` and verifies nothing.
- *SQLite*: one row a call, its JSON in a column, write-ahead log, `synchronous = FULL`; the columns of the log are filled when a row is
  added. It verifies nothing.
- *.jsonl.zst*: one read means inflating everything before it. A durable add appends a frame of level 3.
- *simonw/llm*: its own code and schema, journal and syncs as it sets them. It keeps messages as its own parts, not as they were sent.
- *zstd bound*: every distinct component once, in one frame of `zstd -19 --long`: no ids, no order, no access.
"""
COLUMNS = (
    "store",
    "bytes",
    "× git",
    "as added",
    "durable add, × two syncs",
    "durable add, CPU µs",
    "bulk, CPU µs a run",
    "full read, CPU µs",
    "log of 1,000, CPU ms",
)


def render(measured: Sequence[Measured], command: str) -> str:
    """The whole page."""
    build = f"{platform.python_compiler()}, built {platform.python_build()[1]}"
    head = HEAD.format(command=command, python=platform.python_version(), build=build, system=platform.system(), cores=os.cpu_count())
    return "\n".join([head, *(line for one in measured for line in _workload(one)), METHOD])


def _workload(one: Measured) -> Iterator[str]:
    yield f"## {one.workload}: {one.calls:,} model calls in {one.conversations:,} conversations"
    bound = f"The zstd bound is {_mega(one.bound_bytes)} MB."
    yield f"\n{_mega(one.plain_bytes)} MB as JSON lines. {bound}\n"
    if one.figures:
        yield "| runstore | measured | target | |\n|---|--:|--:|---|"
        yield from (_figure(figure) for figure in one.figures)
        yield ""
    yield f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 1)}"
    yield from (_row(row, one) for row in one.rows)
    yield ""
    yield from (f"Not measured: {store}: {reason}.\n" for store, reason in one.skipped.items())


def _figure(figure: Figure) -> str:
    target = "" if figure.target is None else f"≤ {_number(figure.target, figure.unit)}"
    if figure.stretch is not None:
        target += f" (stretch {_number(figure.stretch, figure.unit)})"
    note = f" ({figure.note})" if figure.note else ""
    return f"| {figure.name}{note} | {_number(figure.value, figure.unit)} | {target} | {figure.verdict} |"


def _row(row: Row, one: Measured) -> str:
    git = one.row("git")
    name = f"{row.store} ({row.settling})" if row.settling else row.store
    cells = [
        name,
        f"{_mega(row.settled_bytes)} MB",
        f"{row.settled_bytes / git.settled_bytes:.2f}" if git else "",
        f"{_mega(row.added_bytes)} MB",
        f"{ratio_of_medians(row.durable, one.floor):.2f}",
        f"{mean_cpu(row.durable):,.0f}",
        f"{row.bulk_cpu:,.0f}",
        f"{row.read_cpu:,.0f}",
        f"{row.log_cpu / 1e3:,.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float, unit: str) -> str:
    if unit == "×":
        return f"{value:.2f} ×"
    return f"{value:.1f} {unit}" if unit in ("ms", "ns") else f"{value:,.0f} {unit}"


def _mega(size: int) -> str:
    return f"{size / 1e6:.2f}"
