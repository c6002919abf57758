"""Processes that record straight into one bucket on SeaweedFS: runs a second against one process, and how often the root is contended.

`python -m benchmarks.bucket [--runs N] [--processes N …] [--write]`. The server is started on loopback; `--write` puts the table into
benchmarks/BUCKET.md. Each process adds its runs one by one to one ref, and closes the store; time is from the first start to the last end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import runstore
from tests.sync.bucket.seaweed import Seaweed

PAGE = Path(__file__).parent / "BUCKET.md"


class Measured(NamedTuple):
    """One row: how many processes, with which caches, and what came of it."""

    processes: int
    caches: str
    seconds: float
    runs: int
    moves: int
    conflicts: int
    merges: int
    lost: int
    twice: int


def worker(url: str, cache: str, number: int, count: int) -> None:
    """Add runs; print what happened at the root."""
    with runstore.open(url, actor=f"worker-{number}", cache=cache) as repo:
        print("ready", flush=True)
        sys.stdin.readline()
        history: list[dict[str, str]] = []
        ids: list[str] = []
        for turn in range(count):
            question = f"question {turn} of {number}: what is the sum of {turn} and {number}?"
            history = [*history[-8:], {"role": "user", "content": question}]
            slots = {"model": {"name": "m"}, "prompt": "You are terse.", "parameters": {"temperature": 0}, "history": history}
            answer = {"role": "assistant", "content": f"The sum is {turn + number}."}
            ids.append(repo.add(slots, ref="main", output=[answer]).execution.hex)
            history.append(answer)
        bucket = repo.store.bucket  # type: ignore[attr-defined]
    print(json.dumps({"moves": bucket.moves, "conflicts": bucket.conflicts, "ids": ids}))


def measure(place: Path, processes: int, count: int, *, shared: bool) -> Measured:
    """Let processes add at once; count what came of it."""
    url = f"s3://{Seaweed.bucket}/{uuid.uuid4().hex}"
    runstore.open(url, create=True, cache=place / "made").close()
    name = uuid.uuid4().hex
    command = [sys.executable, "-m", "benchmarks.bucket", "--worker"]
    running = [
        subprocess.Popen(
            [*command, url, str(place / name / ("0" if shared else str(number))), str(number), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in running]
    seconds = time.perf_counter() - begun
    acknowledged = [one for each in told for one in each["ids"]]
    with runstore.open(url, cache=place / "check", read_only=True) as repo:
        entries = list(repo.log("main"))
    found = [entry.link.hex for entry in entries if entry.execution.run is not None]
    return Measured(
        processes,
        "one" if shared or processes == 1 else "each its own",
        seconds,
        len(acknowledged),
        sum(each["moves"] for each in told),
        sum(each["conflicts"] for each in told),
        len(entries) - len(found),
        len(set(acknowledged) - set(found)),
        len(found) - len(set(found)),
    )


def rows(found: list[Measured]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| processes | caches | runs | runs a second | against one | root moves | races lost | conflict rate | merges | lost | twice |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    single = found[0].runs / found[0].seconds
    for one in found:
        rate = one.runs / one.seconds
        tries = one.moves + one.conflicts
        yield (
            f"| {one.processes} | {one.caches} | {one.runs:,} | {rate:,.0f} | {rate / single:.2f} | {one.moves} | {one.conflicts} |"
            f" {one.conflicts / tries if tries else 0:.0%} | {one.merges} | {one.lost} | {one.twice} |"
        )


def page(found: list[Measured], command: str) -> str:
    """Return the page."""
    return f"""# Many processes, one bucket

`{command}` on a machine with {os.cpu_count()} cores that also runs the
server (SeaweedFS on loopback). Each process adds its runs one by one to the same ref, durable in its cache, and closes the store, which
pushes what is left; groups go after 2 seconds, 1,000 writes or 16 MiB. Processes with one cache queue at its lock and share groups; those
with caches of their own meet at the root of the bucket, where whoever is second tries again. A race is lost if the put meets another root,
or the ref has moved by then: the conflict rate is that of races lost to all attempts.

{chr(10).join(rows(found))}

A cache takes in what the others recorded before its own group goes over, so that with caches of their own sixteen processes do sixteen
times the work of one, here on the same cores. Lost and twice are counted on the ref, in a cache that was never there before. Times are of
a machine that had other work too.
"""


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bucket", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs of each process (default: 200)")
    parser.add_argument("--processes", type=int, nargs="*", default=[4, 16], help="how many at once, beside one (default: 4 16)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/BUCKET.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "server").mkdir()
        server = Seaweed(place / "server")
        server.start()
        try:
            os.environ.update(server.environment())
            server.make_bucket()
            found = [measure(place, 1, asked.runs, shared=True)]
            for processes in asked.processes:
                found += [measure(place, processes, asked.runs, shared=shared) for shared in (True, False)]
        finally:
            server.kill()
    text = page(found, f"python -m benchmarks.bucket --runs {asked.runs} --processes {' '.join(map(str, asked.processes))}")
    print(text)
    if asked.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
