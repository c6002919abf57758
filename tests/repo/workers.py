"""Processes that write into one store, for the concurrency tests. Run as a program: `python -m tests.repo.workers DIR WORKER COUNT REF`.

A worker prints a line for each run that was acknowledged, after it was: what stands in the pipe has to be in the store.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import runstore

ROOT = Path(__file__).resolve().parents[2]


def main(directory: str, worker: str, count: str, ref: str) -> None:
    """Add `count` executions to a ref and print the id of each once it is acknowledged."""
    with runstore.open(directory, actor=f"worker-{worker}") as repo:
        history: list[dict[str, str]] = []
        for number in range(int(count)):
            history = [*history[-20:], {"role": "user", "content": f"question {number} of worker {worker}"}]
            slots = {"model": {"name": "m"}, "prompt": "Be brief.", "history": history, "tools": False}
            answer = {"role": "assistant", "content": f"answer {number} of worker {worker}"}
            recorded = repo.add(slots, ref=ref, output=[answer], notes={"worker": worker, "number": number})
            history.append(answer)
            sys.stdout.write(recorded.execution.hex + "\n")
            sys.stdout.flush()


def start(directory: Path, worker: int, count: int, ref: str = "main") -> subprocess.Popen[str]:
    """Start a worker that adds `count` executions to a ref."""
    command = [sys.executable, "-m", "tests.repo.workers", str(directory), str(worker), str(count), ref]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
