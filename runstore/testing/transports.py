"""For authors of transports: the scenarios that every one passes.

Subclass `TransportConformance` and say how a channel to the store in a directory is opened; pytest collects the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.errors import Conflict, NotFound, Refused
from runstore.model.ids import Kind, Link
from runstore.sync.connect import Connect
from runstore.sync.fetch import Fetch
from runstore.sync.join import join
from runstore.sync.messages import Message
from runstore.sync.partial import Omission
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.testing.machines import Machine


class TransportConformance:
    """Two machines, `ours` and `theirs`, the second reached over the transport."""

    def connect(self, directory: Path) -> Connect:
        """Return what opens a channel, with all rights, to the store in a directory. To be defined by the subclass."""
        raise NotImplementedError

    @pytest.fixture
    def ours(self, tmp_path: Path) -> Iterator[Machine]:
        """The machine that calls."""
        machine = Machine(1, tmp_path / "ours")
        yield machine
        machine.close()

    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Iterator[Machine]:
        """The machine that is called."""
        machine = Machine(2, tmp_path / "theirs")
        yield machine
        machine.close()

    @pytest.fixture
    def there(self, theirs: Machine) -> Connect:
        """What opens a channel to their store."""
        assert theirs.directory is not None
        return self.connect(theirs.directory)

    def test_hello_tells_refs_and_limits(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """The first call gives the refs asked for, what the peer can do, and how much it takes."""
        tip = theirs.talk(2)
        theirs.talk(1, "other")
        with Remote(there) as remote:
            hello = remote.hello(names=["heads/main", "heads/none"])
            everything = remote.hello(prefixes=["heads/"]).refs
        assert hello.refs == {"heads/main": tip}
        assert not hello.empty
        assert hello.limits.objects > 1000
        assert everything == theirs.refs()

    def test_fetch_into_an_empty_store_brings_everything(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """After a fetch the same objects are here, the remote's heads are followed, and no head of ours was touched."""
        tip = theirs.talk(12)
        fetched = ours.fetch(there)
        assert ours.ids() == theirs.ids()
        assert ours.refs() == {"remotes/origin/main": tip}
        assert fetched.new == len(theirs.ids())

    def test_push_into_an_empty_store(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """After a push the peer has the same objects and the ref."""
        tip = ours.talk(12)
        pushed = ours.push(there)
        assert theirs.ids() == ours.ids()
        assert theirs.refs() == {"heads/main": tip}
        assert [state for *_, state in pushed.refs] == ["moved"]

    def test_one_new_execution_takes_at_most_four_calls(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """What an incremental push and fetch cost follows what is new: few calls, few objects."""
        ours.talk(40)
        ours.push(there)
        ours.say()
        with Remote(there) as remote:
            pushed = push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
            assert remote.calls <= 4
        assert pushed.objects <= 10
        assert theirs.ids() == ours.ids()
        third = Machine(3)
        third.fetch(there)
        ours.say()
        ours.push(there)
        with Remote(there) as remote:
            fetched = Fetch(third.store, remote, "origin", now=third.now, actor="third").run()
            assert remote.calls <= 4
        assert fetched.objects <= 10
        assert third.ids() == ours.ids()

    def test_pushing_again_moves_nothing(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """A push of what is there is one call and no change, in the reflog neither."""
        ours.talk(3)
        ours.push(there)
        before = theirs.repo.reflog()
        assert [state for *_, state in ours.push(there).refs] == ["up to date"]
        assert theirs.repo.reflog() == before

    def test_several_refs_move_together_or_not_at_all(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """Where one ref of a push is no fast-forward, the others stay too."""
        theirs.talk(2)
        ours.talk(2)
        ours.talk(2, "fine")
        before = theirs.state()
        with pytest.raises(Conflict) as refused:
            ours.push(there, "main", "fine")
        assert refused.value.kind == "not-forward"
        assert refused.value.hint is not None
        assert "pull" in refused.value.hint
        assert theirs.state() == before

    def test_diverged_logs_join_the_same_way_on_both_sides(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """A pull makes a merge of both ends; after pushing it, both heads and all executions agree."""
        ours.talk(3)
        ours.push(there)
        theirs.talk(2)
        mine = ours.talk(4)
        fetched = ours.fetch(there)
        joined = join(ours.store, fetched.heads, now=ours.now, actor="me", action="pull")
        assert [one.state for one in joined] == ["joined"]
        ours.push(there)
        assert ours.repo_ref("main") == theirs.repo_ref("main")
        assert ours.executions() == theirs.executions()
        with ours.store.read() as reader:
            merge = reader.get(ours.repo_ref("main").id)
            assert mine.id in merge.body

    def test_force_moves_a_ref_anywhere_and_says_so(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """A forced push replaces the ref, and the reflog there names it for what it was."""
        old = theirs.talk(2)
        new = ours.talk(1)
        ours.push(there, force=True)
        assert theirs.repo_ref("main") == new
        change = theirs.repo.reflog()[0]
        assert (change.old, change.new, change.action) == (old, new, "force-push")

    def test_a_dry_run_changes_nothing(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """Asked what would move, a push says how much, and nothing moves."""
        ours.talk(5)
        before = theirs.state()
        pushed = ours.push(there, dry_run=True)
        assert pushed.objects == len(ours.ids())
        assert theirs.state() == before

    def test_large_bodies_cross(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """Blobs and texts larger than any buffer arrive whole."""
        noise = bytes(range(256)) * 8192
        ours.say(text="a long text " * 40_000)
        ours.repo.add({"model": {"name": "m"}}, output=noise)
        ours.push(there)
        assert theirs.ids() == ours.ids()

    def test_what_is_refused_leaves_nothing_behind(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """An update that points at an object which nobody sent is refused, named, and changes nothing."""
        theirs.talk(1)
        before = theirs.state()
        missing = Link(Kind.EXECUTION, bytes(32))
        with Remote(there) as remote, pytest.raises(Refused, match=missing.hex):
            remote.ask([Message("push", {"upload": "0" * 32}), Message("commit", {"updates": [["heads/bad", None, missing]]})])
        assert theirs.state() == before

    def test_an_error_leaves_the_connection_in_order(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """After an answer that is an error the next call works."""
        tip = theirs.talk(1)
        with Remote(there) as remote:
            with pytest.raises(NotFound):
                remote.get([bytes(32)], take=lambda frame: None)
            assert remote.hello(names=["heads/main"]).refs == {"heads/main": tip}

    def test_a_shallow_fetch_brings_the_newest(self, ours: Machine, theirs: Machine, there: Connect) -> None:
        """With a depth only so many executions of each ref come, with all that they need."""
        tip = theirs.talk(10)
        ours.fetch(there, omission=Omission(depth=3))
        assert len(ours.executions()) == 3
        assert ours.ref("remotes/origin/main") == tip
