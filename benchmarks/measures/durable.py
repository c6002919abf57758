"""One durable add, in every store in turn, call by call, with two bare syncs of the same bytes beside it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.call import Call, compact
from benchmarks.clock import Spent, spend, steady
from benchmarks.floors import TwoSyncs, written_bytes
from benchmarks.peers.protocol import Peer

SAMPLE = 250
TWO_PAGES = 8192


def durable(kinds: Iterable[type[Peer]], calls: Sequence[Call], scratch: Path) -> tuple[dict[str, list[Spent]], list[Spent]]:
    """What each add took, by the name of the store, the same calls in the same order for each; and two syncs of two pages beside them."""
    sample = _whole_conversations(calls, SAMPLE)
    with ExitStack() as stack:
        floor = TwoSyncs(Path(stack.enter_context(TemporaryDirectory(dir=scratch))))
        stack.callback(floor.close)
        peers, syncs = [], []
        for kind in kinds:
            peers.append(kind(Path(stack.enter_context(TemporaryDirectory(dir=scratch)))))
            stack.callback(peers[-1].close)
        taken: dict[str, list[Spent]] = {peer.name: [] for peer in peers}
        with steady():
            for turn, call in enumerate(sample):
                syncs.append(floor.write(TWO_PAGES))
                for at in range(len(peers)):
                    peer = peers[(turn + at) % len(peers)]  # no store always runs in the wake of the same other one
                    prepared = peer.prepare(call)
                    taken[peer.name].append(spend(lambda: peer.add(prepared)))  # noqa: B023 - called at once
    return taken, syncs


def against_floor(peer: Peer, calls: Sequence[Call], scratch: Path) -> tuple[list[Spent], list[Spent]]:
    """Every call added alone, and two syncs of as many bytes as that add wrote right after it."""
    with TemporaryDirectory(dir=scratch) as directory:
        floor, adds, syncs = TwoSyncs(Path(directory)), [], []
        with steady():
            for call in calls:
                before = written_bytes()
                adds.append(spend(lambda: peer.add(call)))  # noqa: B023 - called at once
                after = written_bytes()
                syncs.append(floor.write(len(compact(call.output)) if after is None or before is None else after - before))
        floor.close()
    return adds, syncs


def _whole_conversations(calls: Sequence[Call], wanted: int) -> list[Call]:
    """Conversations spread over the workload, about `wanted` calls in all."""
    names = list(dict.fromkeys(call.conversation for call in calls))
    chosen = set(names[:: max(1, len(calls) // wanted)])
    return [call for call in calls if call.conversation in chosen]
