"""What the fault tests do in processes of their own: `python -m tests.store.workers JOB DIRECTORY ARGUMENT...`.

A job prints a line for each thing that was acknowledged to it.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from runstore.errors import RunstoreError
from runstore.model.ids import Object
from runstore.store.lmdb import LmdbStore, Settings
from runstore.store.protocol import Reader, Writer
from runstore.testing.samples import NAMES, PAIRS, TABLES, sample_object

GROUP = 7


def group(part: int, turn: int) -> list[Object]:
    """Return the objects that a worker adds in one turn: mostly small, now and then large, one that all workers share."""
    first = part * 1_000_000 + turn * GROUP
    large = [sample_object(first + GROUP - 1, 20_000 + turn % 5 * 9_000)] if turn % 4 == 3 else []
    return [*(sample_object(n) for n in range(first, first + GROUP - 1)), sample_object(900_000_000 + turn), *large]


def row(part: int, turn: int) -> bytes:
    """Return the row that a worker adds with its objects."""
    return part.to_bytes(2, "big") + turn.to_bytes(4, "big")


def open_store(directory: str | Path, *, durable: bool = True, timeout: float = 60.0, map_size: int = 1 << 40) -> LmdbStore:
    """Open the store under test, or make it."""
    return LmdbStore.open(directory, TABLES, create=True, timeout=timeout, settings=Settings(durable=durable, map_size=map_size))


def add_groups(directory: str, part: str, count: str, durable: str = "1") -> None:
    """Add groups, each with a row and a value, and print the turn after each commit."""
    with open_store(directory, durable=durable == "1") as store:
        for turn in range(int(count)):
            batch = store.prepare(group(int(part), turn))
            with store.write(now=turn * 3_600_000_000) as writer:
                writer.put(batch)
                writer.add_rows(PAIRS.name, [row(int(part), turn)])
                writer.set_value(NAMES.name, b"%d" % int(part), b"%d" % turn)
            print(turn, flush=True)


def rewrite_once(store: LmdbStore) -> int:
    """Rewrite the store backwards; return the generation."""

    def order(reader: Reader) -> list[int]:
        return [address for address, _ in reader.objects()][::-1]

    def rebuild(writer: Writer) -> None:
        writer.add_rows("words", [b"%04d" % writer.generation])

    return int(store.rewrite(order, level=1, rebuild=rebuild)["generation"])


def rewrite_groups(directory: str, count: str) -> None:
    """Rewrite the store again and again; print each generation."""
    with open_store(directory) as store:
        for _ in range(int(count)):
            print(rewrite_once(store), flush=True)


def read_all(directory: str) -> None:
    """Read and verify everything; print how it ended: `whole`, `found N`, or the kind of error."""
    try:
        with LmdbStore.open(directory, TABLES) as store, store.read() as reader:
            count = sum(1 for _ in reader.objects())
            for table in (NAMES, PAIRS):
                count += sum(1 for _ in (reader.items(table.name) if table.row_bytes is None else reader.rows(table.name)))
            found = sum(1 for _ in store.verify())
            with store.write() as writer:
                writer.put([sample_object(123_456_789)])
            print(f"whole {count}" if not found else f"found {found}")
    except RunstoreError as error:
        print(error.kind, error)


def check(directory: str) -> None:
    """Check the store without reading it otherwise; print the codes of what is found, or the kind of error."""
    try:
        with LmdbStore.open(directory, TABLES, read_only=True) as store:
            for finding in store.verify():
                print(finding.code)
    except RunstoreError as error:
        print(error.kind, error)


def fill_limited(directory: str, part: str, count: str, limit: str) -> None:
    """Add groups while files may not grow beyond a limit; print each turn, or `-` and the kind of error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open_store(directory) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        for turn in range(int(count)):
            try:
                with store.write() as writer:
                    writer.put(group(int(part), turn))
                    writer.add_rows(PAIRS.name, [row(int(part), turn)])
                print(turn, flush=True)
            except RunstoreError as error:
                print("-", error.kind, flush=True)


def fork_and_go_on(directory: str) -> None:
    """Fork with a store, a reader and a writer open; parent and child both go on, and both print `ok`."""
    from runstore.errors import Closed

    store = open_store(directory)
    with store.write() as writer:
        writer.put(group(0, 0))
    reading, writing = store.read(), store.write()
    reader, writer = reading.__enter__(), writing.__enter__()
    writer.put(group(0, 1))
    child = os.fork()
    if child == 0:
        for transaction in (reader, writer):
            try:
                transaction.get(group(0, 0)[0].id)
                print("the child used the parent's transaction")
            except Closed:
                pass
        with store.read() as fresh:
            assert [fresh.get(item.id) for item in group(0, 0)] == group(0, 0)
        reading.__exit__(None, None, None)
        writing.__exit__(None, None, None)
        with store.write() as later:  # waits for the parent
            later.put(group(1, 0))
        print("child ok", flush=True)
        sys.exit(0)
    assert [reader.get(item.id) for item in group(0, 0)] == group(0, 0)
    writing.__exit__(None, None, None)
    assert os.waitpid(child, 0)[1] == 0
    assert [reader.get(item.id) for item in group(0, 0)] == group(0, 0)
    reading.__exit__(None, None, None)
    with store.read() as fresh:
        for part, turn in ((0, 0), (0, 1), (1, 0)):
            assert [fresh.get(item.id) for item in group(part, turn)] == group(part, turn)
    store.close()
    print("parent ok", flush=True)


def hold_lock(directory: str) -> None:
    """Hold the write lock until the input ends."""
    with open_store(directory) as store, store.write() as writer:
        writer.put(group(77, 0))
        print("held", flush=True)
        sys.stdin.read()


def crash_in_rewrite(place: str, step: str) -> None:
    """Die at a step of moving the store: `copied`, `marked`, `current`."""
    from runstore.store import directory
    from runstore.store.lmdb.handle import Handle

    def die(*_: object, **__: object) -> None:
        os._exit(9)

    with open_store(place) as store:
        target, name = {"copied": (directory, "sync_directory"), "marked": (Handle, "put_in_force"), "current": (directory, "leftovers")}[
            step
        ]
        setattr(target, name, die)
        rewrite_once(store)


def use_without_permission(directory: str) -> None:
    """Read a store that may not be written, as a user without rights over it; print what reading and writing give."""
    from runstore.model.ids import make_object

    # Whoever runs the tests may have installed the packages where nobody else reads: load what lmdb loads late while that is allowed.
    if importlib.util.find_spec("lmdb._envid") is not None:
        importlib.import_module("lmdb._envid")
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    with LmdbStore.open(directory, TABLES, create=True) as store:
        with store.read() as reader:
            print(len(list(reader.objects())))
        try:
            with store.write() as writer:
                writer.put([make_object(1, b"new")])
        except RunstoreError as error:
            print(error.kind)


def use_a_full_disk(directory: str, how: str) -> None:
    """Open a store and read, add or rewrite; print how many objects it has, or the kind of the error."""
    try:
        with LmdbStore.open(directory, TABLES, read_only=how == "reading") as store:
            if how == "adding":
                with store.write() as writer:
                    writer.put([sample_object(1_000, 100_000)])
            elif how == "rewriting":
                rewrite_once(store)
            with store.read() as reader:
                print(reader.count())
    except RunstoreError as error:
        print(error.kind)


JOBS: dict[str, Callable[..., None]] = {
    job.__name__: job
    for job in (
        add_groups,
        rewrite_groups,
        read_all,
        check,
        fill_limited,
        fork_and_go_on,
        hold_lock,
        crash_in_rewrite,
        use_without_permission,
        use_a_full_disk,
    )
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](*sys.argv[2:])
