"""The network goes away at every operation on a bucket, before it and after it: what is there is before or after, and a retry succeeds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runstore.errors import RunstoreError, Unavailable
from runstore.sync.bucket import bucket as buckets
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.compact import compact
from runstore.sync.bucket.connect import open_bucket
from runstore.sync.bucket.endpoint import BucketEndpoint
from runstore.sync.bucket.root import Root
from runstore.sync.bucket.store import BucketStore
from runstore.sync.channel import LocalChannel
from runstore.sync.connect import Connect
from runstore.testing.machines import Machine
from tests.sync.bucket.failing import Failing
from tests.sync.bucket.test_transport import ACCESS
from tests.sync.cached.support import Site, there

WAYS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "pause", lambda failures: None)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A bucket with two pushes in it, in a directory."""
    machine = Machine(1)
    for _ in range(2):
        machine.talk(2)
        machine.push(through(open_bucket(f"dir://{tmp_path / 'made'}")))
    return f"dir://{tmp_path / 'bucket'}"


def anew(url: str) -> None:
    """Let the bucket be as it was at the beginning."""
    path = Path(url.removeprefix("dir://"))
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(path.parent / "made", path)


def through(bucket: Bucket) -> Connect:
    """Return what opens a channel to a bucket."""
    endpoint = BucketEndpoint(bucket, now=ACCESS.now, actor="tests")
    return lambda: LocalChannel(endpoint.answer)


def state(url: str) -> tuple[object, frozenset[bytes]]:
    """Return the refs of a bucket, and the ids of all objects that its root lists, each verified."""
    bucket = open_bucket(url)
    root = bucket.load().root
    with BucketStore(bucket, root) as store, store.read() as reader:
        return bucket.refs(root), frozenset(obj.id for _, obj in reader.objects())


def every_cut(url: str, act: Callable[[Bucket], object]) -> list[tuple[object, frozenset[bytes]]]:
    """Do something with the network going away at each operation in each way; return the states of the bucket after each."""
    anew(url)
    counted = Failing(open_bucket(url).files)
    act(Bucket(counted, patience=0))
    assert counted.count > 3
    found = [state(url)]
    for at in range(counted.count):
        for after, for_good in WAYS:
            anew(url)
            failing = Failing(open_bucket(url).files, at, after=after, for_good=for_good)
            with suppress(Unavailable):
                act(Bucket(failing, patience=0))
            found.append(state(url))
            act(open_bucket(url))
            assert state(url) == found[0]
    return found


def test_a_push_that_is_cut_anywhere_is_done_or_not(url: str) -> None:
    """At each operation of a push; the retry is made by the same machine."""
    anew(url)
    before = state(url)
    ours = Machine(2)
    ours.fetch(through(open_bucket(url)))
    ours.repo.set_ref("main", "remotes/origin/main")
    ours.talk(3)
    found = every_cut(url, lambda bucket: ours.push(through(bucket)))
    assert set(map(repr, found)) <= {repr(before), repr(found[0])}
    assert before in found


def test_a_fetch_that_is_cut_anywhere_leaves_nothing(url: str) -> None:
    """At each operation of a fetch, a store that is new each time has all or nothing."""
    sizes: set[int] = set()

    def fetch(bucket: Bucket) -> None:
        ours = Machine(2)
        try:
            ours.fetch(through(bucket))
        finally:
            sizes.add(len(ours.ids()))

    found = every_cut(url, fetch)
    assert len(set(map(repr, found))) == 1
    assert len(sizes - {0}) == 1


def test_a_compaction_that_is_cut_anywhere_loses_nothing(url: str) -> None:
    """At each operation of compaction and collection, all objects and refs are there."""
    found = every_cut(url, lambda bucket: compact(bucket, now=ACCESS.now))
    assert len(set(map(repr, found))) == 1


def test_a_group_that_is_cut_anywhere_goes_over_later(url: str, tmp_path: Path) -> None:
    """A store in a bucket records and flushes; wherever the network goes away, its next opening brings the bucket to the same state."""
    anew(url)
    probing = Site(url, tmp_path / "counting", 1)
    probing.store.bucket.files = counted = Failing(probing.store.bucket.files)
    probing.say()
    probing.store.flush()
    probing.let_go()
    for at in range(counted.count):
        for after, for_good in WAYS:
            anew(url)
            site = Site(url, tmp_path / f"{at}-{after}-{for_good}", 1)
            site.store.bucket.files = Failing(site.store.bucket.files, at, after=after, for_good=for_good)
            site.store.bucket._patience = 0
            tip = site.say()
            with suppress(RunstoreError):
                site.store.flush()
            site.let_go()
            site.open()
            assert there(url)["heads/main"] == site.refs()["heads/main"]
            assert tip.hex in site.log()
            assert len(site.log()) == 5
            site.let_go()


@pytest.mark.parametrize("after", [False, True])
def test_a_move_returns_the_root_that_it_made(url: str, after: bool) -> None:
    """Whichever operation fails once on the way, the root that is returned is the one that stands, with the change in it."""

    def change(root: Root) -> Root:
        return root._replace(default_ref="heads/changed")

    anew(url)
    counted = Failing(open_bucket(url).files)
    Bucket(counted).move(change)
    for at in range(probing_operations(counted), counted.count):
        anew(url)
        moved = Bucket(Failing(open_bucket(url).files, at, after=after)).move(change)
        assert moved == open_bucket(url).load().root
        assert moved.default_ref == "heads/changed"


def probing_operations(counted: Failing) -> int:
    """Return how many of the operations of a move are those of the probe, which is not tried again: the others are a get and a put."""
    return counted.count - 2
