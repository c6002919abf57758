"""Exchange: clone, push and fetch, measured on generated runs. `python -m benchmarks.exchange [--size N] [--large MB] [--store DIR]`.

CPU seconds are those of this process, in which both sides of a clone over a path work, so a rate is for one core that does everything.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runstore.maintenance.pack import pack
from runstore.repo import TABLES, now_microseconds
from runstore.store.lmdb import LmdbStore
from runstore.sync import local
from runstore.sync import ssh as pipes
from runstore.sync.clone import clone
from runstore.sync.connect import Access
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.urls import Url
from runstore.testing.machines import Machine

ACCESS = Access(TABLES, now_microseconds, "benchmark")


def run(size: int, large: int, place: Path, store: str | None) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and the figure."""
    source = Path(store) if store else conversations(place / "small", size)
    yield from cloned("small objects", source, place)
    yield from cloned("bodies of 16 KiB and more", blobs(place / "large", large), place)
    yield from turn(place)
    yield from pushes(place, size)
    yield from memory(place / "large", place)


def conversations(directory: Path, runs: int) -> Path:
    """Make a packed store of conversations of ten turns."""
    machine = Machine(1, directory)
    chance = random.Random(1)
    words = [f"word{number}" for number in range(3000)]
    for talk in range(runs // 10):
        history: list[dict[str, str]] = []
        items: list[tuple[Any, dict[str, Any]]] = []
        for _ in range(10):
            history.append({"role": "user", "content": " ".join(chance.choices(words, k=40))})
            answer = {"role": "assistant", "content": " ".join(chance.choices(words, k=40))}
            slots = {"model": {"name": "m"}, "prompt": "You are terse.", "parameters": {"temperature": 0}, "history": list(history)}
            items.append((slots, {"ref": f"talks/talk-{talk}", "output": [answer]}))
            history.append(answer)
        machine.repo.add_many(items)
    pack(machine.store)
    machine.close()
    return directory


def blobs(directory: Path, megabytes: int) -> Path:
    """Make a packed store of large bodies: half noise, half text."""
    machine = Machine(2, directory)
    chance = random.Random(2)
    for _ in range(megabytes):
        bodies = [chance.randbytes(16 << 10) + b"the same words again and again. " * 512 for _ in range(32)]
        machine.repo.add_many([({"model": {"name": "m"}}, {"output": body, "ref": "main"}) for body in bodies])
    pack(machine.store)
    machine.close()
    return directory


def cloned(what: str, source: Path, place: Path) -> Iterator[tuple[str, str]]:
    """Clone over a path, three times, and give the best."""
    best = 1e9
    for _ in range(3):
        target = place / "clone"
        shutil.rmtree(target, ignore_errors=True)
        begun = time.process_time()
        fetched = clone(str(source), str(target), ACCESS)
        best = min(best, time.process_time() - begun)
    with LmdbStore.open(source, TABLES) as opened, opened.read() as reader:
        raw = sum(len(obj.body) for _, obj in reader.objects())
    packed = sum(file.stat().st_size for file in source.glob("data-*[0-9]"))
    yield (
        f"clone, {what}",
        f"{fetched.objects / best:,.0f} objects/s, {raw / best / 1e6:,.0f} MB/s of {fetched.objects:,} objects, one core for both sides",
    )
    yield f"wire of a clone, {what}", f"{fetched.bytes:,} bytes, {fetched.bytes / packed:.2f} times the packed store"


def turn(place: Path) -> Iterator[tuple[str, str]]:
    """Push one more turn of a conversation of 1,000."""
    ours, theirs = Machine(3), Machine(4, place / "turn")
    ours.talk(1000)
    connect = over_path(place / "turn")
    ours.push(connect)
    ours.say()
    with Remote(connect) as remote:
        counted, sent = counting(remote)
        push(ours.store, counted, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
        yield "wire of one turn of 1,000", f"{sent():,} bytes both ways in {counted.calls} calls"
    theirs.close()


def pushes(place: Path, runs: int) -> Iterator[tuple[str, str]]:
    """Time the push of one execution to a store of 100 runs and to a large one."""
    times: dict[int, float] = {}
    for size in (100, runs):
        source = conversations(place / f"push-{size}", size)
        ours = Machine(5, place / f"ours-{size}")
        ours.fetch(over_path(source))
        ours.repo.set_ref("main", "remotes/origin/talks/talk-1")
        ours.push(over_path(source))
        best = 1e9
        for _ in range(15):
            ours.say()
            begun = time.perf_counter()
            ours.push(over_path(source))
            best = min(best, time.perf_counter() - begun)
        times[size] = best
        ours.close()
    yield (
        f"push of one execution to {runs:,} runs against 100",
        f"{times[runs] * 1e3:.1f} ms / {times[100] * 1e3:.1f} ms = {times[runs] / times[100]:.2f}",
    )


def memory(source: Path, place: Path) -> Iterator[tuple[str, str]]:
    """Push a store of large bodies to another process, and watch the memory that is its own."""
    target = place / "received"
    LmdbStore.open(target, TABLES, create=True).close()
    command = [sys.executable, "-m", "runstore", "serve", "--stdio", str(target)]
    ours = Machine(6, source)
    with watched() as peak, Remote(lambda: pipes.spawn(command)) as remote:
        begun = time.perf_counter()
        pushed = push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
        seconds = time.perf_counter() - begun
    ours.close()
    yield (
        "receiving in another process",
        f"{pushed.bytes >> 20:,} MiB of frames in {seconds:.1f} s, at most {peak[0] >> 10} MiB of its own memory",
    )


def over_path(directory: Path) -> Callable[[], Any]:
    """Return what opens a channel to the store in a directory."""
    return local.connector(Url("path", str(directory), str(directory)), ACCESS)


def counting(remote: Remote) -> tuple[Remote, Callable[[], int]]:
    """Count the bytes that a remote's messages would take on a stream."""
    from runstore.sync.messages import to_bytes

    sizes: list[int] = []
    connect = remote._connect

    class Counted:
        def __init__(self) -> None:
            self._channel = connect()

        def call(self, messages: Any) -> Iterator[Any]:
            def noted(some: Any) -> Iterator[Any]:
                for message in some:
                    sizes.append(len(to_bytes(message)))
                    yield message

            yield from noted(self._channel.call(noted(messages)))

        def close(self) -> None:
            self._channel.close()

    return Remote(Counted), lambda: sum(sizes)


@contextmanager
def watched() -> Iterator[list[int]]:
    """Watch the anonymous memory of child processes, in KiB (Linux)."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            children = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
            ).stdout.split()
            for child in children:
                try:
                    status = Path(f"/proc/{child}/status").read_text()
                    peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))
                except (OSError, IndexError):
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exchange", description=__doc__)
    parser.add_argument("--size", type=int, default=5000, help="runs in the large store (default: 5000)")
    parser.add_argument("--large", type=int, default=64, help="MiB of large bodies (default: 64)")
    parser.add_argument("--store", help="clone this store instead of generated small objects")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for what, figure in run(asked.size, asked.large, Path(place), asked.store):
            print(f"{what}: {figure}", flush=True)


if __name__ == "__main__":
    main()
