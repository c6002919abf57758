"""`python -m benchmarks [--data DIR] [--only NAME] [--out FILE] [--scratch DIR]`"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.chart import draw
from benchmarks.clock import median
from benchmarks.figures import Measured
from benchmarks.floors import NO_DISK
from benchmarks.report import render
from benchmarks.session import measure
from benchmarks.workloads import NAMES, RECORDED, load

CHART = "results.svg"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the page and the chart beside it."""
    options = _parser().parse_args(arguments)
    names = [options.only] if options.only else list(RECORDED) if options.data else ["generated"]
    with TemporaryDirectory(prefix="benchmarks-", dir=options.scratch) as scratch:
        measured = [measure(load(name, options.data, Path(scratch)), Path(scratch), _say) for name in names]
    _check_disk(measured)
    write(measured, options.out, command=" --data DIR" if options.data else "")
    return 0


def write(measured: Sequence[Measured], out: Path, command: str = "") -> None:
    """Write the page to `out` and the chart next to it."""
    out.write_text(render(measured, command), encoding="utf-8")
    (out.parent / CHART).write_text(draw(measured), encoding="utf-8")


def _check_disk(measured: Sequence[Measured]) -> None:
    if any(median(one.wall for one in run.floor) < NO_DISK for run in measured):
        _say("warning: a sync costs nothing here; the figures of durable adds mean nothing. Give a directory on a disk with --scratch")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure runstore beside other stores on the same model calls."
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="directory of recordings: measure these instead of generated calls")
    parser.add_argument("--only", choices=NAMES, help="measure this workload alone")
    parser.add_argument("--out", type=Path, metavar="FILE", default=Path(__file__).with_name("RESULTS.md"), help="the page to write")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where stores are made: a directory on the disk in question")
    return parser


if __name__ == "__main__":
    sys.exit(main())
