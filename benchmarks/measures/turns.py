"""Whether a long conversation gets dearer with every turn."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clock import median, spend, steady
from benchmarks.figures import Figure
from benchmarks.peers.runstore import Runstore
from benchmarks.workloads.generated import one_long

EARLY = slice(5, 15)
LATE = slice(-10, None)


def turns(scratch: Path, count: int, rounds: int) -> Figure:
    """Processor time of turn `count` over that of turn 10, each the median of the ten turns around it."""
    return Figure(f"turn {count:,} against turn 10, processor time", min(_ratio(scratch, count) for _ in range(rounds)), "×", 2.0)


def _ratio(scratch: Path, count: int) -> float:
    calls = list(one_long(count))
    with TemporaryDirectory(dir=scratch) as directory, steady():
        peer = Runstore(Path(directory))
        spent = [spend(lambda: peer.add(call)).cpu for call in calls]  # noqa: B023 - called at once
        peer.close()
    return median(spent[LATE]) / median(spent[EARLY])
