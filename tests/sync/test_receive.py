"""The border from the inside: order, portions, limits, views, and what is built on and goes away meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runstore.errors import Conflict, NotFound, Refused
from runstore.maintenance.fsck import fsck
from runstore.model.ids import Kind, Link, Object
from runstore.runs.index import rebuild
from runstore.sync import receive
from runstore.sync.channel import LocalChannel
from runstore.sync.endpoint import Endpoint
from runstore.sync.limits import SERVING
from runstore.sync.marks import Marks
from runstore.sync.partial import Omission
from runstore.sync.push import push
from runstore.sync.reading import reading_order
from runstore.sync.receive import Receiver
from runstore.sync.remote import Remote
from runstore.sync.rights import All
from runstore.sync.visible import Reachable
from runstore.testing.machines import Machine
from tests.sync.forge import execution, frames, push_objects, remote_to, run_objects, send, whole


def objects_of(machine: Machine) -> list[Object]:
    """Return all objects of a machine, in the order of storage."""
    with machine.store.read() as reader:
        return [obj for _, obj in reader.objects()]


def derived(machine: Machine) -> dict[str, list[bytes]]:
    """Return the rows of the derived tables by what they say, whatever the addresses."""
    with machine.store.write() as writer:
        grown = {name: sorted(writer.rows(name)) for name in ("referrers", "run_executions", "generations", "times")}
        rebuild(writer)
        built = {name: sorted(writer.rows(name)) for name in grown}
    assert grown == built
    return grown


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_objects_changes_nothing(seed: int) -> None:
    """Shuffled into frames of any size, the same transfer is taken, and its derived tables are complete."""
    ours, theirs = Machine(1), Machine(2)
    tip = ours.talk(12)
    ours.say("long", text="long " * 8000)
    shuffled = objects_of(ours)
    chosen = random.Random(seed)
    chosen.shuffle(shuffled)
    cut = [frame for at in range(0, len(shuffled), 7) for frame in frames(shuffled[at : at + 7])]
    long = ours.repo_ref("long")
    send(remote_to(theirs), cut, [("heads/main", None, tip), ("heads/long", None, long)])
    assert theirs.ids() == ours.ids()
    assert list(fsck(theirs.store)) == []
    derived(theirs)


def test_a_large_transfer_is_stored_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With portions of a few kilobytes every step is closed under links and indexed, and the refs come last."""
    monkeypatch.setattr(receive, "PORTION", 4000)
    ours, theirs = Machine(1, tmp_path / "ours"), Machine(2, tmp_path / "theirs")
    chance = random.Random(1)
    for _ in range(150):
        ours.say(text=chance.randbytes(700).hex())
    seen: list[tuple[int, int]] = []
    write = theirs.store.write

    def watched(**options: Any) -> Any:
        assert list(fsck(theirs.store)) == []
        seen.append((len(theirs.ids()), len(theirs.refs())))
        return write(**options)

    monkeypatch.setattr(theirs.store, "write", watched)
    endpoint = Endpoint(theirs.store, now=theirs.now, actor="peer")
    ours.push(lambda: LocalChannel(endpoint.answer))
    monkeypatch.setattr(theirs.store, "write", write)
    assert len({objects for objects, refs in seen if not refs}) > 2
    assert all(objects == len(ours.ids()) for objects, refs in seen if refs)
    assert theirs.ids() == ours.ids()
    derived(theirs)


def test_what_comes_out_of_order_is_bounded() -> None:
    """A receiver that is to keep too much until the end refuses."""
    ours = Machine(1)
    tip = ours.talk(30)
    backwards = [frame for obj in reversed(objects_of(ours)) for frame in frames([obj])]
    theirs = Machine(2)
    with pytest.raises(Refused) as refused:
        send(remote_to(theirs, SERVING._replace(unordered=1000)), backwards, [("heads/main", None, tip)])
    assert refused.value.kind == "limit-exceeded"
    assert theirs.ids() == set()
    send(remote_to(theirs), backwards, [("heads/main", None, tip)])
    assert theirs.ids() == ours.ids()


@pytest.mark.parametrize(
    ("name", "limit"), [("objects", 10), ("bytes", 1000), ("body", 100), ("frame", 1000), ("refs", 0), ("seconds", -1), ("depth", 0)]
)
def test_limits(name: str, limit: int) -> None:
    """Each limit refuses what goes beyond it, and nothing is stored."""
    ours, theirs = Machine(1), Machine(2)
    tip = ours.talk(8)
    with pytest.raises(Refused):
        push_objects(theirs, objects_of(ours), tip, limits=SERVING._replace(**{name: limit}))
    assert theirs.ids() == set()


def test_limits_are_announced() -> None:
    """A caller learns before it sends how much is taken, and says which limit is in the way."""
    ours, theirs = Machine(1), Machine(2)
    ours.talk(8)
    remote = remote_to(theirs, SERVING._replace(objects=20))
    with pytest.raises(Refused, match="20 at once"):
        push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)


def test_what_a_transfer_builds_on_is_collected_meanwhile(tmp_path: Path) -> None:
    """Objects that were there when the transfer was checked and are gone when it is stored make it start again, not dangle."""
    theirs = Machine(1, tmp_path / "theirs")
    kept = theirs.say("keep")
    old = theirs.talk(3)
    ours = Machine(2)
    ours.fetch(lambda: LocalChannel(Endpoint(theirs.store, now=theirs.now, actor="peer").answer))
    ours.repo.set_ref("main", "remotes/origin/main")
    new = ours.say()
    receiver = Receiver(theirs.store, limits=SERVING, seconds=lambda: 0.0)
    with ours.store.read() as reader, theirs.store.read() as there:
        lacking = [obj for _, obj in reader.objects() if there.address(obj.id) is None]
        for frame in frames(lacking):
            receiver.take(frame)
        receiver.inspect(there, [new])
    theirs.repo.delete_ref("main")
    theirs.store.rewrite(lambda reader: [at for at, _ in reading_order(reader, [kept], Marks())], level=3, rebuild=rebuild)
    with theirs.store.read() as reader:
        assert reader.address(old.id) is None
    before = theirs.state()
    with pytest.raises(Conflict):
        receiver.commit(lambda writer: None, now=1)
    assert theirs.state() == before


class Some(All):
    """A peer that may see and write what begins with a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def read(self, ref: str) -> bool:
        return ref.startswith(self._prefix)

    def append(self, ref: str) -> bool:
        return ref.startswith(self._prefix)

    def force(self, ref: str) -> bool:
        return False

    def writes(self) -> bool:
        return True


@pytest.fixture
def shared() -> tuple[Machine, Callable[[], Remote], Link, Link]:
    """A machine with a public and a secret ref; a peer that may see the public one; and both executions."""
    machine = Machine(1)
    public, secret = machine.talk(3, "public/a"), machine.say("secret/b", text="nobody knows")
    rights = Some("heads/public/")
    view = Reachable(rights.read)

    def remote() -> Remote:
        endpoint = Endpoint(machine.store, now=machine.now, actor="peer", rights=rights, view=view)
        return Remote(lambda: LocalChannel(endpoint.answer))

    return machine, remote, public, secret


def test_a_view_hides_what_its_refs_do_not_reach(shared: tuple[Machine, Callable[[], Remote], Link, Link]) -> None:
    """A peer sees its refs, has nothing else, and gets nothing else, whatever ids it knows."""
    _, remote, public, secret = shared
    assert set(remote().hello(prefixes=["heads/"]).refs) == {"heads/public/a"}
    assert remote().hello(names=["heads/secret/b"]).refs == {}
    assert remote().has([public.id, secret.id]) == [True, False]
    with pytest.raises(NotFound):
        remote().get([secret.id], take=lambda frame: None)
    with pytest.raises(NotFound):
        remote().fetch([secret.id], [], Omission(), take=lambda frame: None, promise=lambda payload: None)


def test_nobody_learns_by_linking(shared: tuple[Machine, Callable[[], Remote], Link, Link]) -> None:
    """A push that builds on a hidden object is refused as if it were not there, so its content cannot be fetched that way either."""
    machine, remote, _, secret = shared
    run = run_objects(prompt="x")
    builds_on = execution(run[-1].link, [secret])
    with pytest.raises(Refused) as refused:
        send(remote(), frames([*run, builds_on]), [("heads/public/c", None, builds_on.link)])
    assert refused.value.kind == "missing-object"
    with pytest.raises(Refused):
        send(remote(), [], [("heads/public/c", None, secret)])
    assert machine.ref("heads/public/c") is None


def test_a_view_follows_the_refs(shared: tuple[Machine, Callable[[], Remote], Link, Link]) -> None:
    """What a ref moves to is seen; what a ref no longer reaches is not; a hidden object that is sent too becomes visible with the ref."""
    machine, remote, public, secret = shared
    later = machine.say("public/a")
    assert remote().has([later.id, public.id]) == [True, True]
    machine.repo.set_ref("public/a", f"execution:{public.hex}")
    assert remote().has([later.id, public.id]) == [False, True]
    with machine.store.read() as reader:
        hidden = {obj.id for _, obj in reader.objects() if obj.kind == Kind.VALUE and b"nobody knows" in obj.body}
    assert remote().has(sorted(hidden)) == [False] * len(hidden)
    machine.repo.delete_ref("public/a")
    assert remote().has([public.id]) == [False]
    assert secret


def test_rights_are_asked_for_each_ref(shared: tuple[Machine, Callable[[], Remote], Link, Link]) -> None:
    """Writing another ref, or forcing without leave, is refused with the reason, and nothing moves."""
    machine, remote, public, _ = shared
    objects, made = whole(prompt="x")
    before = machine.state()
    for updates, force in (([("heads/secret/b", None, made.link)], False), ([("heads/public/a", public, made.link)], True)):
        with pytest.raises(Refused) as refused:
            send(remote(), frames(objects), updates, force=force)
        assert refused.value.kind == "forbidden"
    assert machine.state() == before
