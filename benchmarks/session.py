"""One workload through everything there is to measure."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.call import compact
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Measured
from benchmarks.floors import zstd_bound
from benchmarks.measures.durable import durable
from benchmarks.measures.importing import importing
from benchmarks.measures.least import calibration
from benchmarks.measures.live import live
from benchmarks.measures.process import process
from benchmarks.measures.turns import turns
from benchmarks.measures.whole import whole
from benchmarks.peers import PEERS
from benchmarks.peers.git import Git
from benchmarks.peers.runstore import Runstore
from benchmarks.workloads import Workload

LIVE_TARGETS = {"traj": 1.0, "cass": 1.3}
PROCESS_CALLS = 300
FULL = Effort()


def measure(workload: Workload, scratch: Path, say: Callable[[str], None], effort: Effort = FULL) -> Measured:
    """Measure every store that can be measured here, then runstore against its targets."""
    calls = workload.calls
    found = Measured(
        workload.name,
        calls=len(calls),
        conversations=len({call.conversation for call in calls}),
        plain_bytes=sum(len(compact(call.record())) for call in calls),
        bound_bytes=zstd_bound(calls),
        skipped={peer.name: peer.missing() for peer in PEERS if peer.missing()},
    )
    peers = [peer for peer in PEERS if peer.name not in found.skipped]
    for peer in peers:
        say(f"{workload.name}: {peer.name}, in bulk")
        found.rows.append(whole(peer, calls, scratch, rounds=effort.rounds if peer is Runstore else 1))
    say(f"{workload.name}: one durable add in each store")
    durations, found.floor = durable(peers, calls, scratch)
    for store, spent in durations.items():
        row = found.row(store)
        assert row is not None
        row.durable = spent
    say(f"{workload.name}: runstore, one run a transaction")
    found.figures = _targets(found, workload, scratch, effort)
    return found


def _targets(found: Measured, workload: Workload, scratch: Path, effort: Effort) -> list[Figure]:
    calls = workload.calls
    at_work, own, git = live(calls, scratch, effort.rounds), found.row(Runstore.name), found.row(Git.name)
    assert own is not None
    figures = [*at_work.figures[:2], Figure("in bulk, processor time a run", own.bulk_cpu, "µs", 110)]
    if git:
        base = git.settled_bytes
        figures += [
            Figure("bytes, live, in `git gc --aggressive`", at_work.live_bytes / base, "×", LIVE_TARGETS.get(workload.name)),
            Figure("bytes, packed, in `git gc --aggressive`", at_work.packed_bytes / base, "×", 0.85, 0.6),
            Figure("bytes, added in bulk and not packed, in the same", own.added_bytes / base, "×"),
        ]
        figures += importing(workload.files, scratch, base) if workload.files else []
    figures += at_work.figures[2:]
    figures += [turns(scratch, effort.turns, effort.rounds), process(calls[:PROCESS_CALLS], scratch, effort.pairs)]
    return [*figures, *calibration(at_work.add_cpu, calls, scratch)]
