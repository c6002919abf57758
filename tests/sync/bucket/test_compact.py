"""Compaction and collection: fewer packs with the same objects, and nothing goes that somebody may need."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runstore.errors import Conflict
from runstore.sync.bucket import compact
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.bucket.root import Root
from runstore.sync.bucket.store import BucketStore
from runstore.sync.bucket.write import list_packs
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.test_transport import ACCESS

HOUR = 3600 * 1_000_000


class Clock:
    """A time that is set by hand, far after any file of these tests was written."""

    def __init__(self) -> None:
        self.time = 4_000_000_000_000_000

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


def filled(url: str, pushes: int = 6) -> Machine:
    """Push so many times, so that there are as many packs; return who did."""
    machine = Machine(1)
    for _ in range(pushes):
        machine.talk(2)
        machine.push(connector(parse_url(url), ACCESS))
    return machine


def ids(bucket: Bucket, root: Root | None = None) -> set[bytes]:
    """Return the ids of all objects of a root, each read and verified."""
    with BucketStore(bucket, root or bucket.load().root) as store, store.read() as reader:
        return {obj.id for _, obj in reader.objects()}


def test_small_packs_become_one(url: str, clock: Clock) -> None:
    """After a compaction one pack holds all objects, supersedes the others, and a fetch brings the same."""
    machine = filled(url)
    bucket = open_bucket(url)
    old = bucket.load().root
    done = compact.compact(bucket, now=clock)
    root = bucket.load().root
    assert (done.packs_before, done.packs_after) == (6, 1)
    assert done.bytes_after < done.bytes_before
    assert set(bucket.indexes(root)[0].supersedes) == {pack.name for pack in old.packs}
    assert root.refs == old.refs
    ours = Machine(2)
    ours.fetch(connector(parse_url(url), ACCESS))
    assert ours.ids() == machine.ids() == ids(bucket)


def test_a_reader_of_an_old_root_finishes(url: str, clock: Clock) -> None:
    """What was listed when a reader began stays until it has been retired for the minimum age."""
    machine = filled(url)
    bucket = open_bucket(url)
    old = bucket.load().root
    compact.compact(bucket, now=clock)
    clock.time += 23 * HOUR
    assert compact.compact(bucket, now=clock).removed == 0
    assert ids(open_bucket(url), old) == machine.ids()
    clock.time += 2 * HOUR
    assert compact.compact(bucket, now=clock).removed == 12
    assert {listed.name for listed in bucket.files.list("packs")} == set(compact_paths(bucket.load().root))
    assert ids(bucket) == machine.ids()


def test_a_reader_that_comes_too_late_begins_anew(url: str, clock: Clock) -> None:
    """A fetch that meets a pack which is gone by now gets the root again, and succeeds."""
    machine = filled(url)
    bucket = open_bucket(url)
    ours = Machine(2)
    connect = connector(parse_url(url), ACCESS)
    channel = connect()

    def pass_two_cycles() -> None:
        for _ in range(2):
            compact.compact(bucket, now=clock)
            clock.time += 25 * HOUR

    late = Once(pass_two_cycles)
    original = BucketStore._fetch

    def fetch(store: BucketStore, pack: int, start: int, length: int) -> bytes:
        if store.bucket is not bucket:
            late()
        return original(store, pack, start, length)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BucketStore, "_fetch", fetch)
        ours.fetch(connect)
    channel.close()
    assert late.called
    assert ours.ids() == machine.ids()


class Once:
    """Does something the first time that it is called."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self.called = False

    def __call__(self) -> None:
        if not self.called:
            self.called = True
            self._action()


def test_what_an_interrupted_writer_left_goes_in_two_cycles(url: str, clock: Clock) -> None:
    """A pack that nobody listed is retired by one cycle and removed by the next; other files are left alone."""
    machine = filled(url, 1)
    bucket = open_bucket(url)
    stray = f"packs/{'a' * 32}.pack"
    bucket.files.put(stray, b"left behind")
    bucket.files.put("packs/README", b"not ours")
    first = compact.compact(bucket, now=clock)
    assert (first.retired, first.removed) == (1, 0)
    clock.time += 25 * HOUR
    assert compact.compact(bucket, now=clock).removed == 1
    assert "packs/README" in {listed.name for listed in bucket.files.list("packs")}
    assert stray not in {listed.name for listed in bucket.files.list("packs")}
    assert ids(bucket) == machine.ids()


def test_a_pack_that_was_taken_for_rubbish_is_not_listed(url: str, clock: Clock) -> None:
    """A writer that was suspended between its pack and its root finds the pack retired, and writes again."""
    filled(url, 1)
    bucket = open_bucket(url)
    root = bucket.load().root
    pack = root.packs[0]._replace(name="b" * 32)
    retired = root._replace(retired=((pack.path, clock()),))
    with pytest.raises(Conflict, match="rubbish"):
        list_packs(retired, [pack], began=clock(), now=clock())
    with pytest.raises(Conflict, match="rubbish"):
        list_packs(root, [pack], began=clock(), now=clock() + 13 * HOUR)


def test_two_that_compact_at_once_lose_nothing(url: str, clock: Clock) -> None:
    """Whoever comes second finds the packs merged, and leaves rubbish at most."""
    machine = filled(url)
    threads = [threading.Thread(target=compact.compact, args=(open_bucket(url),), kwargs={"now": clock}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bucket = open_bucket(url)
    assert len(bucket.load().root.packs) == 1
    assert ids(bucket) == machine.ids()


def test_compaction_under_writers_loses_nothing(tmp_path: Path) -> None:
    """While two push to refs of their own, another compacts and collects without any minimum age but that of a second."""
    url = f"dir://{tmp_path / 'bucket'}"
    machines = [Machine(number) for number in (1, 2)]

    def record(machine: Machine) -> None:
        for _ in range(12):
            machine.talk(1, f"m{machine.number}")
            machine.push(connector(parse_url(url), ACCESS), f"m{machine.number}")

    threads = [threading.Thread(target=record, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    bucket = open_bucket(url)
    while any(thread.is_alive() for thread in threads):
        compact.compact(bucket, now=ACCESS.now, min_age=HOUR)
    assert ids(bucket) == machines[0].ids() | machines[1].ids()


def test_writers_merge_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is only pushed to does not gather packs without end."""
    monkeypatch.setattr(compact, "MANY", 5)
    monkeypatch.setattr(compact, "TOO_MANY", 8)
    url = f"dir://{tmp_path / 'bucket'}"
    machine = filled(url, 20)
    bucket = open_bucket(url)
    assert len(bucket.load().root.packs) < 10
    assert ids(bucket) == machine.ids()


def test_what_several_packs_hold_is_there_once_after(tmp_path: Path, clock: Clock) -> None:
    """Objects that two machines pushed at once lie in both packs; a clone brings them once, and a compaction stores them once."""
    url = f"dir://{tmp_path / 'bucket'}"
    connect = connector(parse_url(url), ACCESS)
    one, other = Machine(1), Machine(2)
    for machine, ref in ((one, "one"), (other, "other")):
        machine.repo.add({"model": {"name": "m"}, "prompt": "the same prompt"}, ref=ref, output=os.urandom(8))
    one.push(connect, "one")
    there = open_bucket(url).load()
    other.push(connect, "other")
    bucket = open_bucket(url)
    before = sum(pack.objects for pack in bucket.load().root.packs)
    compact.compact(bucket, now=clock)
    assert there.version is not None
    assert sum(pack.objects for pack in bucket.load().root.packs) == len(ids(bucket)) <= before


def compact_paths(root: Root) -> list[str]:
    """Return the names of all objects of packs that a root lists."""
    return [path for pack in root.packs for path in (pack.path, pack.index_path)]
