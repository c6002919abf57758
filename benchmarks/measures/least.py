"""What this machine takes for the least: a loop of Python, and an add by calls of the libraries alone.

Figures in microseconds mean nothing without the machine; these two, measured in the same run, say how fast it was.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import lmdb
import zstandard
from blake3 import blake3

from benchmarks.call import Call
from benchmarks.clock import least_cpu, mean_cpu, spend, steady
from benchmarks.figures import Figure
from runstore.runs.compose import output_part, run_from_mapping

STEPS = 1_000_000
ROUNDS = 3
LEVEL = 3


def least_add(calls: Sequence[Call], scratch: Path) -> float:
    """Processor time of keeping the new objects of a call, its syncs included: each hashed, all compressed as one frame.

    The frame and a row of 13 bytes an object are put in one durable transaction: no derived indexes, no refs, nothing joined, and no
    Python but the calls of the libraries. What is new in a call was found out before.
    """
    with TemporaryDirectory(dir=scratch) as directory:
        env = lmdb.open(str(Path(directory, "data")), subdir=False, map_size=1 << 32, max_dbs=2)
        frames, rows = env.open_db(b"frames"), env.open_db(b"rows", dupsort=True, dupfixed=True)
        hasher, compressor = blake3(derive_key_context="runstore 2026 v1 value"), zstandard.ZstdCompressor(level=LEVEL)

        def keep(number: int, bodies: Sequence[bytes]) -> None:
            place = number.to_bytes(5, "big")
            ids = [hasher.copy().update(body).digest() for body in bodies]
            frame = compressor.compress(b"".join(bodies))
            with env.begin(write=True) as txn:
                txn.put(place, frame, db=frames)
                txn.cursor(rows).putmulti([(b"index", one[:8] + place) for one in sorted(ids)])

        adds = []
        with steady():
            for number, bodies in enumerate(_new_bodies(calls), 1):
                adds.append(spend(lambda: keep(number, bodies)))  # noqa: B023 - called at once
        env.close()
    return mean_cpu(adds)


def calibration(add_cpu: float, calls: Sequence[Call], scratch: Path) -> list[Figure]:
    """The two floors, and a durable add of runstore (`add_cpu`: its processor time, syncs included) in the second of them."""
    loop = least_cpu(ROUNDS, _loop) * 1e3 / STEPS
    least = least_add(calls, scratch)
    return [
        Figure("this machine: a step of an empty Python loop that adds", loop, "ns"),
        Figure("this machine: a durable add by calls of the libraries alone, processor time with its syncs", least, "µs"),
        Figure("durable add of runstore, with its syncs, in that", add_cpu / least, "×"),
    ]


def _loop() -> int:
    total = 0
    for step in range(STEPS):
        total += step & 7
    return total


def _new_bodies(calls: Sequence[Call]) -> Iterator[list[bytes]]:
    seen: set[bytes] = set()
    for call in calls:
        run, output = run_from_mapping(call.slots), output_part(call.output)
        objects = {item.id: item.body for item in (*run.objects(), *output.objects) if item.id not in seen}
        seen.update(objects)
        yield [*objects.values(), b"execution of " + run.id + call.key.encode() * 4]
