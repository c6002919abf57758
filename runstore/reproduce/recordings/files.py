"""Files of recordings: read as they lie, and replaced whole, under a lock, by the recordings that stand now.

Several processes may record into one file: each reads it again under the lock of its directory, and changes the recordings that it made.
A file that would hold the same recordings is not touched. Whoever is killed leaves the old file or the new.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NamedTuple, Self

from runstore.errors import Damaged, InvalidInput, Refused, Unavailable
from runstore.model.executions import Execution, decode_execution, encode_execution
from runstore.model.ids import Link, Object
from runstore.model.slots import request_id
from runstore.model.trees import decode_tree
from runstore.repo import TABLES, Repo
from runstore.reproduce.recordings.kept import Kept, keep_recorded
from runstore.store.directory import sync_directory
from runstore.store.memory import MemoryStore
from runstore.store.protocol import Reader
from runstore.sync.bundle import write_bundle
from runstore.sync.bundlestore import BundleStore


class Call(NamedTuple):
    """A recorded call: its execution, and the id of what it asked."""

    object: Object
    execution: Execution
    request: bytes


class Recordings:
    """A file of recordings, read: the calls of each ref in their order. A file that is not there has none. Close it in the end."""

    def __init__(self, path: str) -> None:
        """Raises Refused or Damaged for a file that is no sound bundle, Unavailable for one that cannot be read."""
        self.path = path
        self.exists = os.path.exists(path)
        self.repo = Repo(BundleStore(path, TABLES) if self.exists else MemoryStore(TABLES), actor="")
        self.calls: dict[str, list[Call]] = {}
        try:
            with self.repo.read() as reader:
                for ref in self.repo.refs("heads/"):
                    self.calls[ref.name] = list(_calls(reader, ref.target))
        except (Refused, Damaged, LookupError):
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self.repo.close()

    def kept(self, call: Call) -> Kept:
        """Return a call with all that it leads to. Raises Damaged."""
        with self.repo.read() as reader:
            return keep_recorded(reader, call.execution)


Change = Callable[[Recordings], Mapping[str, Sequence[Kept]]]
"""Returns the recordings that change, by ref: their calls, none for one that goes."""


def change(path: str, make: Change) -> dict[str, list[bytes]]:
    """Change recordings in a file: `make` is given those that stand, under the lock. Returns the ids of the calls of each changed ref.

    Raises what reading does, InvalidInput for two refs that differ in case alone, and Unavailable where the file cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with _locked(os.path.dirname(path)), Recordings(path) as old:
            changed = {ref: list(calls) for ref, calls in make(old).items()}
            kept = {ref: [old.kept(call) for call in calls] for ref, calls in old.calls.items() if ref not in changed}
            wanted = {ref: calls for ref, calls in sorted((kept | changed).items()) if calls}
            made = {ref: chained(calls) for ref, calls in wanted.items()}
            _check_names(made)
            if {ref: [obj.id for obj in chain] for ref, chain in made.items()} != {
                ref: [call.object.id for call in calls] for ref, calls in old.calls.items()
            }:
                _replace(path, wanted, made)
    except Unavailable:
        raise
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    return {ref: [obj.id for obj in made.get(ref, ())] for ref in changed}


def chained(calls: Sequence[Kept]) -> list[Object]:
    """Return the executions of calls, each standing on the one before it."""
    made: list[Object] = []
    for call in calls:
        made.append(encode_execution(call.fields._replace(parents=tuple(obj.link for obj in made[-1:]))))
    return made


def _calls(reader: Reader, tip: Link) -> Iterator[Call]:
    """Yield the calls of a recording, the first first."""
    found: list[tuple[Object, Execution]] = []
    at: Link | None = tip
    while at is not None:
        obj = reader.get(at.id)
        execution = decode_execution(obj.body)
        found.append((obj, execution))
        at = execution.parents[0] if execution.parents else None
    for obj, execution in reversed(found):
        if execution.run is not None:
            yield Call(obj, execution, request_id(decode_tree(reader.get(execution.run.id).body)))


def _replace(path: str, wanted: Mapping[str, Sequence[Kept]], made: Mapping[str, Sequence[Object]]) -> None:
    if not made:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    store = MemoryStore(TABLES)
    with store.write() as writer:
        for ref, calls in wanted.items():
            writer.put([*(obj for call in calls for obj in call.objects), *made[ref]])
    # Whoever holds the lock may overwrite what somebody who was killed left here.
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
    try:
        with open(temporary, "wb") as file, store.read() as reader:
            write_bundle(reader, file, {ref: chain[-1].link for ref, chain in made.items()})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))


def _check_names(made: Mapping[str, object]) -> None:
    """Raise InvalidInput for two names that no store can hold side by side."""
    seen: dict[str, str] = {}
    for ref in made:
        other = seen.setdefault(ref.lower(), ref)
        if other != ref:
            raise InvalidInput(
                f"the recordings {other} and {ref} differ in case alone",
                hint='rename a test, or give it @pytest.mark.runstore(ref="another-name")',
                kind="bad-name",
            )


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold the lock of a directory. It is that of the directory itself, so that git sees no file of it."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
