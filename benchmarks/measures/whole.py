"""A whole workload through one store: added in bulk, settled, read and listed."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.call import Call
from benchmarks.clock import least_cpu, spend, steady
from benchmarks.figures import Row
from benchmarks.peers.protocol import Peer

LOG = 1000
ROUNDS = 3


def whole(kind: type[Peer], calls: Sequence[Call], scratch: Path, rounds: int = 1) -> Row:
    """Measure one store. `rounds` fresh stores are filled, and the cheapest filling counts; the last one is settled and read."""
    bulk = []
    for number in range(rounds):
        with TemporaryDirectory(dir=scratch) as directory:
            peer = kind(Path(directory))
            prepared = [peer.prepare(call) for call in calls]
            with steady():
                bulk.append(spend(lambda: peer.add_all(prepared)).cpu / len(calls))  # noqa: B023 - called at once
            if number == rounds - 1:
                return _settled(peer, calls, min(bulk))
            peer.close()
    raise ValueError("no rounds")


def read_cpu(peer: Peer, calls: Sequence[Call]) -> float:
    """Processor time of one full read, of calls spread over the workload."""
    sample = calls[:: max(1, len(calls) // peer.reads)][: peer.reads]
    peer.reopen()

    def reading() -> None:
        for call in sample:
            peer.read(call)
        peer.close()  # counts: a store that reads in a child process pays here

    return spend(reading).cpu / len(sample)


def _settled(peer: Peer, calls: Sequence[Call], bulk: float) -> Row:
    added = peer.bytes()
    peer.settle()
    settled = peer.bytes()
    peer.reopen()
    expected = min(LOG, len(calls))
    if peer.log(LOG) != expected:
        raise RuntimeError(f"{peer.name}: the log does not show {expected} calls")
    log = least_cpu(ROUNDS, lambda: peer.log(LOG))
    row = Row(peer.name, added, settled, peer.settling, bulk, 0.0, log)
    row.read_cpu = read_cpu(peer, calls)
    return row
