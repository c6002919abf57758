"""A process that records straight into a bucket: `python -m tests.sync.cached.worker URL CACHE WORKER COUNT REF`.

It prints the id of each execution once it is acknowledged, and `flushed` once the store is closed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import runstore

ROOT = Path(__file__).resolve().parents[3]


def main(url: str, cache: str, worker: str, count: str, ref: str) -> None:
    """Add `count` executions to a ref."""
    with runstore.open(url, actor=f"worker-{worker}", cache=cache) as repo:
        for number in range(int(count)):
            question = {"role": "user", "content": f"question {number} of worker {worker}"}
            slots = {"model": {"name": "m"}, "prompt": "Be brief.", "history": [question], "tools": False}
            recorded = repo.add(slots, ref=ref, output=[{"role": "assistant", "content": f"answer {number}"}], notes={"worker": worker})
            sys.stdout.write(recorded.execution.hex + "\n")
            sys.stdout.flush()
    sys.stdout.write("flushed\n")


def start(url: str, cache: Path, worker: int, count: int, ref: str = "main") -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, "-m", "tests.sync.cached.worker", url, str(cache), str(worker), str(count), ref]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
