"""A store in a bucket, as those who record into it see it: written at once here, in groups there, the same for everybody in the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import runstore
from runstore.errors import Damaged, NoStore, NotFound, Refused, Unavailable
from runstore.model.ids import Kind
from runstore.runs.tables import INDEX_STATE
from runstore.sync.cached import store as cached
from runstore.sync.cached.groups import Grouping
from runstore.sync.cached.place import cache_root
from runstore.sync.cached.store import BucketBackedStore
from tests.sync.bucket.seaweed import Seaweed
from tests.sync.cached.support import Site, there


@pytest.fixture
def pair(url: str, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Two machines on one bucket."""
    one, other = Site(url, tmp_path, 1), Site(url, tmp_path, 2)
    yield one, other
    for site in (one, other):
        site.let_go()


def test_what_is_flushed_is_there_for_others(pair: tuple[Site, Site], url: str) -> None:
    """After flush the bucket has the ref, and whoever refreshes has the run with all that it leads to."""
    one, other = pair
    tip = one.say()
    assert there(url) == {}
    one.store.flush()
    assert there(url) == {"heads/main": tip}
    assert other.store.refresh()
    assert other.repo.show(tip.hex).output == one.repo.show(tip.hex).output
    assert list(other.repo.fsck()) == []


def test_closing_returns_when_the_root_has_moved(url: str, tmp_path: Path) -> None:
    """Close pushes what is left, and opening elsewhere brings it."""
    one = Site(url, tmp_path, 1)
    tip = one.say()
    one.close()
    assert there(url) == {"heads/main": tip}
    other = Site(url, tmp_path, 2)
    assert other.log() == [tip.hex]
    other.close()


@pytest.mark.parametrize("grouping", [Grouping(writes=3, seconds=1e9), Grouping(bytes=300, seconds=1e9), Grouping(seconds=0.05)])
def test_groups_go_by_count_by_bytes_and_by_time(tmp_path: Path, grouping: Grouping) -> None:
    """Without flush, a group that is full or old enough is pushed by itself."""
    url = f"dir://{tmp_path / 'bucket'}"
    one = Site(url, tmp_path, 1, grouping=grouping)
    for _ in range(3):
        tip = one.say()
    until = time.monotonic() + 20
    while there(url).get("heads/main") != tip and time.monotonic() < until:
        time.sleep(0.02)
    assert there(url) == {"heads/main": tip}
    one.close()


def test_a_lost_race_is_joined_by_a_merge(pair: tuple[Site, Site], url: str) -> None:
    """Both record on one ref: every id that was returned stays, and all sides end on the same merge."""
    one, other = pair
    mine = [one.say().hex for _ in range(3)]
    theirs = [other.say().hex for _ in range(2)]
    one.store.flush()
    other.store.flush()
    one.store.refresh()
    assert one.refs() == other.refs() == there(url)
    assert one.log() == other.log() == sorted(mine + theirs)


def test_refs_of_others_move_without_a_merge(pair: tuple[Site, Site], url: str) -> None:
    """Two that record on refs of their own share the root, and nothing is joined."""
    one, other = pair
    tips = {"heads/a": one.say("a"), "heads/b": other.say("b")}
    one.store.flush()
    other.store.flush()
    one.store.refresh()
    assert one.refs() == other.refs() == there(url) == tips


def test_blobs_come_when_they_are_asked_for(pair: tuple[Site, Site]) -> None:
    """A refresh leaves blobs in the bucket; who reads one gets it, and the cache keeps it."""
    one, other = pair
    noise = os.urandom(100_000)
    tip = one.say(output=noise)
    one.store.flush()
    other.store.refresh()
    assert other.kinds(Kind.BLOB) == set()
    assert other.repo.show(tip.hex).output == noise
    assert other.kinds(Kind.BLOB) == one.kinds(Kind.BLOB)
    assert list(other.repo.fsck()) == []


def test_a_cache_beyond_its_limit_lets_go_of_blobs(url: str, tmp_path: Path) -> None:
    """What was recorded leaves the cache when it is opened above its limit, and is read from the bucket as before."""
    one = Site(url, tmp_path, 1, limit=1_000_000)
    bodies = [os.urandom(100_000) for _ in range(10)]
    tips = [one.say(output=body) for body in bodies]
    one.close()
    one.open()
    assert 0 < len(one.kinds(Kind.BLOB)) < 10
    assert [one.repo.show(tip.hex).output for tip in tips] == bodies
    assert list(one.repo.fsck()) == []
    one.say()
    one.close()


def test_what_is_not_in_the_bucket_stays_in_the_cache(tmp_path: Path) -> None:
    """A cache that could not push keeps its blobs, however large it is."""
    url = f"dir://{tmp_path / 'bucket'}"
    one = Site(url, tmp_path, 1, limit=100_000)
    tip = one.say(output=os.urandom(300_000))
    one.let_go()
    os.rename(tmp_path / "bucket", tmp_path / "away")
    (tmp_path / "bucket").write_text("in the way")
    with pytest.raises((Unavailable, Damaged)):
        one.open()
    os.unlink(tmp_path / "bucket")
    os.rename(tmp_path / "away", tmp_path / "bucket")
    one.open()
    assert there(url) == {"heads/main": tip}
    one.close()


def test_an_undo_and_a_deletion_go_over(pair: tuple[Site, Site], url: str) -> None:
    """What is taken back or deleted here is so in the bucket, and at others who did not go on with it."""
    one, other = pair
    first = one.say()
    one.say()
    one.say("other")
    one.store.flush()
    other.store.refresh()
    one.repo.delete_ref("other")
    one.repo.set_ref("main", first.hex)
    one.store.flush()
    other.store.refresh()
    assert there(url) == other.refs() == {"heads/main": first}


def test_what_others_did_is_not_undone(pair: tuple[Site, Site]) -> None:
    """Undo takes back what was done here, not what came from elsewhere."""
    one, other = pair
    one.say()
    one.store.flush()
    other.store.refresh()
    with pytest.raises(NotFound, match="nothing to undo"):
        other.repo.undo()


def test_a_deletion_does_not_lose_what_was_recorded_since(pair: tuple[Site, Site], url: str) -> None:
    """One deletes a ref while another records on it: the ref is back, with all that it had."""
    one, other = pair
    one.say()
    one.store.flush()
    other.store.refresh()
    one.repo.delete_ref("main")
    one.store.flush()
    tip = other.say()
    other.store.flush()
    one.store.refresh()
    assert there(url) == one.refs() == {"heads/main": tip}
    assert len(one.log()) == 2


def test_names_that_differ_in_case_alone_are_told_apart(pair: tuple[Site, Site], url: str) -> None:
    """Two machines make refs that differ in case alone: the one that was pushed first keeps its name, and nothing is lost."""
    one, other = pair
    first, second = one.say("Main"), other.say("main")
    one.store.flush()
    other.store.flush()
    assert there(url) == {"heads/Main": first, f"heads/main-{second.hex[:8]}": second}


def test_what_a_killed_process_left_is_pushed_at_the_next_opening(url: str, tmp_path: Path) -> None:
    """The cache keeps what was acknowledged; whoever opens it next pushes it first."""
    one = Site(url, tmp_path, 1)
    tips = [one.say().hex for _ in range(3)]
    one.let_go()
    assert there(url) == {}
    one.open()
    assert there(url)["heads/main"].hex == tips[-1]
    one.close()


def test_who_only_reads_pushes_what_was_left(tmp_path: Path) -> None:
    """The next opening pushes, be it only to read: what was acknowledged does not wait for somebody who writes."""
    url = f"dir://{tmp_path / 'bucket'}"
    with runstore.open(url, create=True, cache=tmp_path / "c") as repo:
        store = repo.store
        assert isinstance(store, BucketBackedStore)
        tip = repo.add({"model": {"name": "m"}}).execution
        store._pusher.end()
        store.cache.close()
        assert there(url) == {}
        runstore.open(url, read_only=True, cache=tmp_path / "c").close()
    assert there(url) == {"heads/main": tip}


def test_readers_do_not_wait_for_a_push_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the cache, a store opened to read shows what the cache has."""
    monkeypatch.setattr(cached, "READERS_WAIT", 0.05)
    url = f"dir://{tmp_path / 'bucket'}"
    with runstore.open(url, create=True, cache=tmp_path / "c") as repo:
        store = repo.store
        assert isinstance(store, BucketBackedStore)
        repo.add({"model": {"name": "m"}})
        with store._exclusive(), runstore.open(url, read_only=True, cache=tmp_path / "c") as other:
            assert len(list(other.log())) == 1


def test_a_fork_during_a_push_leaves_the_lock_free(tmp_path: Path) -> None:
    """A child that lives on does not keep what its parent has given back."""
    one = Site(f"dir://{tmp_path / 'bucket'}", tmp_path, 1)
    with one.store._exclusive():
        child = os.fork()
        if not child:
            time.sleep(30)
            os._exit(0)
    try:
        with one.store._exclusive(patience=5):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    one.close()


def test_a_cache_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Derived tables of an older form are built anew when the store is opened, be it only to read: the cache is nobody else's."""
    url = f"dir://{tmp_path / 'bucket'}"
    with runstore.open(url, create=True, cache=tmp_path / "c") as repo:
        repo.add({"model": {"name": "m"}})
        store = repo.store
        assert isinstance(store, BucketBackedStore)
        with store.cache.write() as writer:
            writer.set_value(INDEX_STATE.name, b"version", bytes(4))
    with runstore.open(url, read_only=True, cache=tmp_path / "c") as repo:
        assert len(list(repo.log())) == 1
        assert list(repo.fsck()) == []


def test_a_place_without_a_store_is_not_made_by_reading(url: str, tmp_path: Path) -> None:
    """Opening where nothing lies is an error, unless it is to be made; then others find it."""
    with pytest.raises(NoStore, match="no store"):
        Site(url, tmp_path, 1, create=False)
    Site(url, tmp_path, 2).close()
    Site(url, tmp_path, 1, create=False).close()


def test_another_store_at_the_same_place_is_refused(tmp_path: Path) -> None:
    """A bucket that was emptied, or made anew, is not taken for one in which everything was deleted."""
    url = f"dir://{tmp_path / 'bucket'}"
    one = Site(url, tmp_path, 1)
    one.say()
    one.close()
    os.rename(tmp_path / "bucket", tmp_path / "away")
    with pytest.raises(Damaged, match="holds no store any more"):
        one.open()
    Site(url, tmp_path, 2).close()
    with pytest.raises(Refused, match="another store"):
        one.open()


def test_a_forked_child_records_into_the_cache(tmp_path: Path) -> None:
    """A child has no client of its own: what it records is pushed by its parent."""
    url = f"dir://{tmp_path / 'bucket'}"
    one = Site(url, tmp_path, 1)
    first = one.say()
    child = os.fork()
    if not child:
        code = 1
        try:
            one.say("child")
            try:
                one.store.flush()
            except Unavailable as error:
                code = 0 if error.kind == "forked" else 2
            one.store.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    one.close()
    assert there(url)["heads/main"] == first
    assert set(there(url)) == {"heads/main", "heads/child"}


def test_a_server_that_is_away_costs_nothing_recorded(tmp_path: Path, seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the bucket cannot be reached runs are recorded; flush and close say so, and a later opening pushes."""
    one = Site(s3, tmp_path, 1)
    one.say()
    one.store.flush()
    one.let_go()
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)
    one.open()
    one.store.bucket.files._store = type(one.store.bucket.files._store).from_url(  # type: ignore[attr-defined]  # the client of a server that is away
        s3, endpoint="http://127.0.0.1:9", retry_config={"max_retries": 0}
    )
    tip = one.say()
    with pytest.raises(Unavailable):
        one.store.flush()
    with pytest.raises(Unavailable, match="not all runs have reached") as left:
        one.close()
    assert "kept on this machine" in (left.value.hint or "")
    one.open()
    assert there(s3) == {"heads/main": tip}
    one.close()


def test_a_bucket_that_is_away_when_the_store_is_opened(tmp_path: Path) -> None:
    """A cache that has followed the bucket is opened without it: it is read and written, `away` says why, and a later opening pushes."""
    place = tmp_path / "bucket"
    url = f"dir://{place}"
    one = Site(url, tmp_path, 1)
    first = one.say()
    one.close()
    place.rename(tmp_path / "aside")
    place.symlink_to(place)  # opening a file below it is an error that does not say "missing"
    one.open(create=False)
    assert one.store.away is not None
    assert one.log() == [first.hex]
    second = one.say()
    with pytest.raises(Unavailable, match="not all runs have reached"):
        one.close()
    with pytest.raises(Unavailable):
        Site(url, tmp_path, 2, create=False)
    place.unlink()
    (tmp_path / "aside").rename(place)
    one.open(create=False)
    assert one.store.away is None
    assert there(url) == {"heads/main": second}
    one.close()


def test_open_takes_urls(url: str, tmp_path: Path) -> None:
    """`runstore.open` takes the URL of a bucket, and its repo has the verbs of any other; it is read-only if asked."""
    with runstore.open(url, create=True, cache=tmp_path / "c") as repo:
        repo.add({"model": {"name": "m"}}, output="hello")
        repo.flush()
        assert not repo.refresh()
    with runstore.open(url, read_only=True, cache=tmp_path / "d") as repo:
        assert [entry.execution.status for entry in repo.log()] == ["ok"]
        with pytest.raises(Unavailable, match="reading only"):
            repo.add({"model": {"name": "m"}})


def test_caches_lie_where_the_environment_says() -> None:
    """$RUNSTORE_CACHE before $XDG_CACHE_HOME before the home directory; a relative XDG path does not count."""
    assert cache_root({"RUNSTORE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == "/a"
    assert cache_root({"XDG_CACHE_HOME": "/b"}) == "/b/runstore"
    assert cache_root({"XDG_CACHE_HOME": "b"}) == os.path.expanduser("~/.cache/runstore")
