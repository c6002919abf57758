"""Exchange: clone, push and fetch, measured on generated runs: `python -m benchmarks.exchange [--write]`.

Processor seconds are of this process and of the server's, told apart, so that a rate is for one core. `--write` puts the tables into
benchmarks/EXCHANGE.md, with `--only` those of the measures named.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.clock import Spent, spend, steady
from benchmarks.peers.git import Git
from benchmarks.peers.runstore import Runstore
from benchmarks.serverwatch import Watched
from benchmarks.workloads import generated
from runstore.maintenance.pack import pack
from runstore.repo import TABLES, now_microseconds
from runstore.store.lmdb import LmdbStore
from runstore.sync import local
from runstore.sync.clone import clone
from runstore.sync.connect import Access, Connect
from runstore.sync.fetch import Fetch
from runstore.sync.messages import Message, to_bytes
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.urls import Url
from runstore.testing.machines import Machine
from tests.serve.serving import granted, serving

PAGE = Path(__file__).with_name("EXCHANGE.md")
ROUNDS = 7
TITLES = {
    "small": "Clones of conversations",
    "large": "Clones of large bodies",
    "turn": "One more turn",
    "pushes": "Pushes to a small store and a large one",
    "memory": "A large push",
}
ACCESS = Access(TABLES, now_microseconds, "benchmark")


class Sizes(NamedTuple):
    """How much is measured: conversations, MiB of large bodies, runs of the large store to push to, and MiB of the large push."""

    conversations: int = 1000
    large: int = 128
    runs: int = 100_000
    push: int = 1024


class Row(NamedTuple):
    """One figure: what was measured, the figure, what is aimed at, and whether it is there ("": nothing is aimed at)."""

    what: str
    figure: str
    target: str = ""
    verdict: str = ""


def row(what: str, value: float, unit: str, *, least: float | None = None, most: float | None = None) -> Row:
    """Return a figure against its target."""
    shown = f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"
    if least is not None:
        return Row(what, shown, f"at least {least:,.0f}", "reached" if value >= least else "short")
    if most is not None:
        return Row(what, shown, f"at most {most:,g}", "reached" if value <= most else "short")
    return Row(what, shown)


# --- clones ------------------------------------------------------------------------------------------------------------------


def small(place: Path, conversations: int) -> Iterator[Row]:
    """Clone conversations, and let git clone the same runs."""
    calls = generated.calls(generated.lines(count=conversations))
    (place / "runs").mkdir()
    (place / "git").mkdir()
    ours = Runstore(place / "runs")
    ours.add_all(calls)
    ours.settle()
    ours.close()
    yield from cloned(f"{len(calls):,} runs", ours.store, place, objects_a_second=60_000)
    if not Git.missing():
        theirs = Git(place / "git")
        theirs.add_all(calls)
        theirs.settle()
        theirs.close()
        yield from git_cloned(f"{len(calls):,} runs", theirs.directory, place)


def large(place: Path, megabytes: int) -> Iterator[Row]:
    """Clone large bodies: half noise, half text."""
    machine = Machine(2, place / "large")
    chance = random.Random(2)
    for _ in range(megabytes):
        bodies = [chance.randbytes(16 << 10) + b"the same words again and again. " * 512 for _ in range(32)]
        machine.repo.add_many([({"model": {"name": "m"}}, {"output": body, "ref": "main"}) for body in bodies])
    pack(machine.store)
    machine.close()
    yield from cloned(f"{megabytes} MiB in bodies of 32 KiB", place / "large", place, megabytes_a_second=100)


def cloned(
    what: str, source: Path, place: Path, *, objects_a_second: float | None = None, megabytes_a_second: float | None = None
) -> Iterator[Row]:
    """Clone over a path and over loopback HTTP, a few times each, and give the best."""
    with LmdbStore.open(source, TABLES) as store, store.read() as reader:
        raw, count = sum(len(obj.body) for _, obj in reader.objects()), reader.count()
    packed = sum(file.stat().st_size for file in source.glob("data-*[0-9]"))
    sent = 0
    both = 1e9
    for _ in range(ROUNDS):
        with steady():
            begun = time.process_time()
            sent = clone(str(source), str(place / "clone"), ACCESS).bytes
            both = min(both, time.process_time() - begun)
        shutil.rmtree(place / "clone")
    yield row(f"{what}, over a path: objects a second, one core for both sides", count / both, "/s", least=objects_a_second)
    yield row(f"{what}, over a path: bytes a second, one core for both sides", raw / both / 1e6, "MB/s", least=megabytes_a_second)
    receiving = serving_it = wall = 1e9
    with served(source, place) as (url, access, server):
        for _ in range(ROUNDS):
            with steady():
                before, begun, clock = server.cpu(), time.process_time(), time.perf_counter()
                clone(url, str(place / "clone"), access)
                receiving = min(receiving, time.process_time() - begun)
                wall = min(wall, time.perf_counter() - clock)
                serving_it = min(serving_it, server.cpu() - before)
            shutil.rmtree(place / "clone")
    yield row(f"{what}, over HTTP: objects a second, the receiver's core", count / receiving, "/s", least=objects_a_second)
    yield row(f"{what}, over HTTP: bytes a second, the receiver's core", raw / receiving / 1e6, "MB/s", least=megabytes_a_second)
    yield row(f"{what}, over HTTP: objects a second of the server's core", count / serving_it, "/s")
    yield row(f"{what}, over HTTP: seconds on the clock", wall, "s")
    yield row(f"{what}: bytes on the wire of {sent / 1e6:,.1f} MB, in the packed store", sent / packed, "×", most=1.1)


def git_cloned(what: str, source: Path, place: Path) -> Iterator[Row]:
    """Let git clone the same runs over its own transport, both sides counted."""
    target = place / "clone.git"
    counted = subprocess.run(["git", "-C", str(source), "count-objects", "-v"], capture_output=True, text=True, check=True).stdout
    count = int(dict(line.split(": ") for line in counted.splitlines())["in-pack"])

    def work() -> None:
        subprocess.run(["git", "clone", "--quiet", "--bare", "--no-local", str(source), str(target)], check=True)

    best, size = Spent(1e12, 1e12), 0
    for _ in range(ROUNDS):
        best = min(best, spend(work), key=lambda spent: spent.cpu)
        size = sum(file.stat().st_size for file in target.rglob("*.pack"))
        shutil.rmtree(target)
    yield row(f"{what}, `git clone`: its objects a second, one core for both sides", count / best.cpu * 1e6, "/s")
    yield row(f"{what}, `git clone`: seconds on the clock", best.wall / 1e6, "s")
    yield row(f"{what}, `git clone`: the pack", size / 1e6, "MB")


# --- increments --------------------------------------------------------------------------------------------------------------


def turn(place: Path) -> Iterator[Row]:
    """Push one more turn of a conversation of 1,000."""
    ours, theirs = Machine(3), Machine(4, place / "turn")
    ours.talk(1000)
    connect = over_path(place / "turn")
    ours.push(connect)
    ours.say()
    sizes: list[int] = []
    with Remote(lambda: _Counted(connect, sizes)) as remote:
        push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
        yield row("one more turn of a conversation of 1,000: bytes on the wire, both ways", sum(sizes), "bytes", most=6000)
        yield row("one more turn of a conversation of 1,000: round trips", remote.calls, "", most=4)
    theirs.close()


class _Counted:
    """A channel whose messages are counted as they would stand on a stream."""

    def __init__(self, connect: Connect, sizes: list[int]) -> None:
        self._channel = connect()
        self._sizes = sizes

    def call(self, messages: Any) -> Iterator[Message]:
        yield from self._noted(self._channel.call(self._noted(messages)))

    def _noted(self, messages: Any) -> Iterator[Message]:
        for message in messages:
            self._sizes.append(len(to_bytes(message)))
            yield message

    def close(self) -> None:
        self._channel.close()


def conversations(directory: Path, runs: int) -> Path:
    """Make a packed store of conversations of ten turns, each with a ref."""
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


def pushes(place: Path, runs: int, pairs: int = 30) -> Iterator[Row]:
    """Push one execution to a store of 100 runs and to a large one, in turns."""
    spent: dict[int, list[float]] = {100: [], runs: []}
    clocks: dict[int, list[float]] = {100: [], runs: []}
    machines = {size: _beside(place, size) for size in spent}
    for _ in range(pairs):
        for size, (ours, connect) in machines.items():
            ours.say()
            done = spend(lambda ours=ours, connect=connect: ours.push(connect))  # type: ignore[misc]
            spent[size].append(done.cpu)
            clocks[size].append(done.wall)
    for ours, _ in machines.values():
        ours.close()
    what = f"push of one execution to {runs:,} runs, in that to 100"
    yield row(f"{what}: processor time ({min(spent[100]) / 1e3:.1f} ms)", min(spent[runs]) / min(spent[100]), "×", most=1.5)
    yield row(f"{what}: on the clock, durable ({min(clocks[100]) / 1e3:.1f} ms)", min(clocks[runs]) / min(clocks[100]), "×", most=1.5)


def _beside(place: Path, runs: int) -> tuple[Machine, Connect]:
    """Make a store of so many runs, and a machine that goes on with one of its conversations."""
    connect = over_path(conversations(place / f"push-{runs}", runs))
    ours = Machine(5, place / f"ours-{runs}")
    with Remote(connect) as remote:
        Fetch(ours.store, remote, "origin", now=ours.now, actor="benchmark", names=["heads/talks/talk-1"]).run()
    ours.repo.set_ref("main", "remotes/origin/talks/talk-1")
    ours.push(connect)
    return ours, connect


def over_path(directory: Path) -> Connect:
    """Return what opens a channel to the store in a directory."""
    return local.connector(Url("path", str(directory), str(directory)), ACCESS)


# --- a large push ------------------------------------------------------------------------------------------------------------


def memory(place: Path, megabytes: int) -> Iterator[Row]:
    """Push noise to a server, and watch the memory that is its own."""
    ours = Machine(6, place / "noise")
    chance = random.Random(3)
    for _ in range(megabytes):
        ours.repo.add_many([({"model": {"name": "m"}}, {"output": chance.randbytes(64 << 10), "ref": "main"}) for _ in range(16)])
    target = place / "received"
    LmdbStore.open(target, TABLES, create=True).close()
    with served(target, place) as (url, access, server):
        idle, begun = server.memory(), time.perf_counter()
        with server.peaking(), Remote(connecting(url, access)) as remote:
            pushed = push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
        seconds = time.perf_counter() - begun
    ours.close()
    what = f"a push of {pushed.bytes / (1 << 30):.2f} GiB over HTTP in {seconds:.0f} s"
    yield row(f"{what}: memory of the server's own at most", server.peak / (1 << 20), "MiB", most=200)
    yield row(f"{what}: the same when it was idle", idle / (1 << 20), "MiB")


def connecting(url: str, access: Access) -> Connect:
    """Return what opens a channel to a URL."""
    from runstore.sync.http import connector
    from runstore.sync.urls import parse_url

    return connector(parse_url(url), access)


class served:
    """A server for one store, in a process of its own: gives its URL, what is told to transports, and its watch."""

    def __init__(self, store: Path, place: Path) -> None:
        tokens = place / f"{store.name}.toml"
        tokens.unlink(missing_ok=True)
        self._token = granted(tokens, {"benchmark": ["append store"]})["benchmark"]
        self._serving = serving({"store": store}, tokens, "--limit", "rate=100000")

    def __enter__(self) -> tuple[str, Access, Watched]:
        running = self._serving.__enter__()
        return f"{running.url}/store", ACCESS._replace(token=lambda: self._token), Watched(running.process.pid)

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)


# --- the page ----------------------------------------------------------------------------------------------------------------


def measures(sizes: Sizes) -> dict[str, Callable[[Path], Iterator[Row]]]:
    """Return what is measured, by name."""
    return {
        "small": lambda place: small(place, sizes.conversations),
        "large": lambda place: large(place, sizes.large),
        "turn": turn,
        "pushes": lambda place: pushes(place, sizes.runs),
        "memory": lambda place: memory(place, sizes.push),
    }


def section(name: str, found: list[Row]) -> str:
    """Return the part of the page about one measure."""
    lines = ["| what | measured | aim | |", "|---|--:|---|---|", *(f"| {' | '.join(one)} |" for one in found)]
    return f"## {TITLES[name]}\n\n{chr(10).join(lines)}\n"


def page(sections: dict[str, str], command: str) -> str:
    """Return the page."""
    return f"""# Exchange between stores

`{command}` on a machine with {os.cpu_count()} cores that had other work meanwhile. Rates are by processor
time, the best of {ROUNDS} rounds: what others do can only make them smaller. Over a path both sides work in one process, so its rate is for
one core that sends and receives; over HTTP the server is a process of its own. Every object that comes is decoded strictly and its id
computed; git checks hashes and links. Memory is what is the server's own (`RssAnon`, all its processes together), without the pages of
the store's file.

{chr(10).join(sections[name] for name in TITLES if name in sections)}"""


def written() -> dict[str, str]:
    """Return the sections of the page as it stands, by the names of measures."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = [f"## {part.rstrip()}\n" for part in text.split("## ")[1:]]
    return {name: part for name, title in TITLES.items() for part in parts if part.startswith(f"## {title}\n")}


def main() -> None:
    """Measure and print."""
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exchange", description=__doc__)
    for name, default, text in zip(
        Sizes._fields, usual, ("conversations", "MiB of large bodies", "runs", "MiB of the large push"), strict=True
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: {default})")
    parser.add_argument("--only", nargs="*", choices=list(measures(usual)), help="measure these alone, and write their tables")
    parser.add_argument("--write", action="store_true", help="write benchmarks/EXCHANGE.md")
    asked = parser.parse_args()
    sizes = Sizes(*(getattr(asked, name) for name in Sizes._fields))
    sections = written() if asked.only else {}
    for name, measure in measures(sizes).items():
        if asked.only and name not in asked.only:
            continue
        found: list[Row] = []
        with tempfile.TemporaryDirectory(prefix="exchange-") as place:
            for one in measure(Path(place)):
                print(f"{one.what}: {one.figure}  {one.target} {one.verdict}", flush=True)
                found.append(one)
        sections[name] = section(name, found)
    if asked.write:
        changed = [f" --{name} {value}" for name, value in sizes._asdict().items() if value != getattr(usual, name)]
        PAGE.write_text(page(sections, f"python -m benchmarks.exchange{''.join(changed)}"), encoding="utf-8")


if __name__ == "__main__":
    main()
