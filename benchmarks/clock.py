"""Wall time and processor time of a piece of work, child processes included.

Times are in microseconds. The machine is shared with others: wall times are compared as medians of interleaved pairs, processor times as
the least of a few rounds, since what others do can only add to them.
"""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Spent:
    """Microseconds of wall time, and of processor time in user and kernel mode."""

    wall: float = 0.0
    cpu: float = 0.0


def spend(work: Callable[[], object]) -> Spent:
    """Do `work` once and say what it took. Children count once they were waited for."""
    children, own, wall = _children(), time.process_time_ns(), time.perf_counter_ns()
    work()
    wall, own = time.perf_counter_ns() - wall, time.process_time_ns() - own
    return Spent(wall / 1e3, own / 1e3 + (_children() - children) * 1e6)


def least_cpu(rounds: int, work: Callable[[], object], share: int = 1) -> float:
    """Processor time of one `share` of `work`, from the best of `rounds`."""
    return min(spend(work).cpu for _ in range(rounds)) / share


def median(values: Iterable[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def mean_cpu(spent: Iterable[Spent]) -> float:
    """Processor time a piece: the mean, because work that is put off to every n-th piece must be counted."""
    return statistics.fmean(one.cpu for one in spent)


def ratio_of_medians(spent: Iterable[Spent], floor: Iterable[Spent]) -> float:
    """Median wall time of one series over that of the other, which ran interleaved with it."""
    return median(one.wall for one in spent) / median(one.wall for one in floor)


@contextmanager
def steady() -> Iterator[None]:
    """Collect garbage before and freeze what lives, so that the workload itself does not weigh on what is measured."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
