"""runstore at work: one run a transaction, on a fresh store, then read as it lies and packed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.call import Call
from benchmarks.clock import Spent, least_cpu, mean_cpu, median, ratio_of_medians, spend
from benchmarks.figures import Figure
from benchmarks.measures.durable import against_floor
from benchmarks.measures.whole import LOG
from benchmarks.peers.runstore import Runstore

ROUNDS = 3
READS = 200
COLD_READS = 40


@dataclass(slots=True)
class Live:
    """All figures but those of bytes, the processor time of a durable add with its syncs, and the bytes as they lay and packed."""

    figures: list[Figure]
    add_cpu: float
    live_bytes: int
    packed_bytes: int


def live(calls: Sequence[Call], scratch: Path, rounds_wanted: int) -> Live:
    """Measure durable adds `rounds_wanted` times; read, list and pack the last store."""
    rounds = []
    for _ in range(rounds_wanted - 1):
        with TemporaryDirectory(dir=scratch) as directory:
            peer = Runstore(Path(directory))
            rounds.append(against_floor(peer, calls, scratch))
            peer.close()
    with TemporaryDirectory(dir=scratch) as directory:
        peer = Runstore(Path(directory))
        rounds.append(against_floor(peer, calls, scratch))
        peer.close()
        bytes_live = peer.bytes()
        reading = list(_reading(peer, calls, "live"))
        peer.reopen()
        peer.settle()
        peer.close()
        own = min(mean_cpu(adds) - mean_cpu(syncs) for adds, syncs in rounds)
        total = min(mean_cpu(adds) for adds, _ in rounds)
        return Live([*_adding(rounds, own, total), *reading, *_reading(peer, calls, "packed")], total, bytes_live, peer.bytes())


def _adding(rounds: list[tuple[list[Spent], list[Spent]]], own: float, total: float) -> Iterator[Figure]:
    ratio = median(ratio_of_medians(adds, syncs) for adds, syncs in rounds)
    yield Figure("durable add, wall time in two `fdatasync`s of the same bytes", ratio, "×", 1.8)
    yield Figure("durable add, own processor time", own, "µs", 220, note=f"the two syncs taken off; {total:.0f} µs with them")


def _reading(peer: Runstore, calls: Sequence[Call], state: str) -> Iterator[Figure]:
    sample = calls[:: max(1, len(calls) // READS)][:READS]
    peer.reopen()
    peer.log(LOG)
    warm = least_cpu(ROUNDS, lambda: [peer.read(call) for call in sample], len(sample))
    yield Figure(f"full verified read of a run, {state}", warm, "µs", 500)
    yield Figure(f"the same, first read of an opened store, {state}", median(_cold(peer, sample)), "µs")
    peer.reopen()
    expected = min(LOG, len(calls))
    if peer.walk(LOG) != expected or peer.log(LOG) != expected:
        raise RuntimeError(f"the log does not show {expected} runs")
    yield Figure(f"`log` of {expected:,}, {state}", least_cpu(ROUNDS, lambda: peer.walk(LOG)) / 1e3, "ms", 10)
    yield Figure(f"the same with a line about each, {state}", least_cpu(ROUNDS, lambda: peer.log(LOG)) / 1e3, "ms")
    peer.close()


def _cold(peer: Runstore, sample: Sequence[Call]) -> Iterator[float]:
    for call in sample[:: max(1, len(sample) // COLD_READS)]:
        peer.reopen()
        yield spend(lambda: peer.read(call)).cpu  # noqa: B023 - called at once
