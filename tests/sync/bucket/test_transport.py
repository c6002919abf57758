"""A bucket as a remote: the scenarios of every transport, over a directory and over object storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runstore.errors import Conflict, NotFound
from runstore.model.ids import Link
from runstore.repo import TABLES
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.bucket.store import BucketStore
from runstore.sync.connect import Access, Connect
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from runstore.testing.transports import TransportConformance

ACCESS = Access(TABLES, lambda: 1_769_860_800_000_000, "tests")


class Peer(Machine):
    """A machine whose runs lie in a bucket: what it records is pushed at once, and what it is asked is answered from there."""

    def __init__(self, number: int, url: str) -> None:
        super().__init__(number)
        self.url = url
        self.connect = connector(parse_url(url), ACCESS)

    def talk(self, turns: int, ref: str = "main") -> Link:
        """Record turns, upon what the bucket has, and push them."""
        there = self.refs().get(f"heads/{ref}")
        if there is not None:
            self.fetch(self.connect)
            self.repo.set_ref(ref, there.hex)
        tip = super().talk(turns, ref)
        with Remote(self.connect) as remote:
            push(self.store, remote, [(tip, f"heads/{ref}")], upload=self.upload)
        return tip

    def opened(self) -> BucketStore:
        """Return the bucket, opened for reading."""
        bucket = open_bucket(self.url)
        return BucketStore(bucket, bucket.load().root)

    def ref(self, name: str) -> Link | None:
        """Return what a ref points at in the bucket, else here."""
        return self.refs().get(name) or super().ref(name)

    def refs(self) -> dict[str, Link]:
        """Return the refs of the bucket."""
        bucket = open_bucket(self.url)
        return bucket.refs(bucket.load().root)

    def ids(self) -> set[bytes]:
        """Return the ids of all objects in the bucket."""
        with self.opened() as store, store.read() as reader:
            return {obj.id for _, obj in reader.objects()}

    def executions(self) -> list[bytes]:
        """Return the ids of all executions in the bucket, sorted."""
        with self.opened() as store, store.read() as reader:
            return sorted(obj.id for _, obj in reader.objects() if obj.kind == 5)


class TestBucket(TransportConformance):
    """Over a directory and over object storage."""

    @pytest.fixture
    def theirs(self, url: str) -> Iterator[Machine]:
        """The bucket, and someone who records into it."""
        machine = Peer(2, url)
        yield machine
        machine.close()

    @pytest.fixture
    def there(self, theirs: Machine) -> Connect:
        """What opens a channel to the bucket."""
        assert isinstance(theirs, Peer)
        return theirs.connect

    def test_pushing_again_moves_nothing(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """A push of what is there is no change: the root stays as it is."""
        assert isinstance(theirs, Peer)
        ours.talk(3)
        ours.push(there)
        before = open_bucket(theirs.url).load()
        assert [state for *_, state in ours.push(there).refs] == ["up to date"]
        assert open_bucket(theirs.url).load() == before

    def test_force_moves_a_ref_anywhere_and_says_so(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """A forced push replaces the ref. A bucket has no reflog to say it in."""
        old = theirs.talk(2)
        new = ours.talk(1)
        with pytest.raises(Conflict):
            ours.push(there)
        assert theirs.repo_ref("main") == old
        ours.push(there, force=True)
        assert theirs.repo_ref("main") == new

    def test_a_place_where_nothing_lies_is_no_empty_store(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """Whoever fetches from a place where nobody has pushed yet has misspelt it: that is an error, and a push makes the store."""
        with pytest.raises(NotFound, match="no store"):
            ours.fetch(there)
        ours.talk(1)
        ours.push(there)
        assert theirs.refs() == ours.refs()
