"""Machines that record, push to and pull from one another at random end equal."""

from __future__ import annotations

import random

import pytest

from runstore.errors import Conflict
from runstore.maintenance.fsck import fsck
from runstore.model.executions import decode_execution
from runstore.store.protocol import Store
from runstore.sync.channel import LocalChannel
from runstore.sync.connect import Connect
from runstore.sync.endpoint import Endpoint
from runstore.sync.fetch import Fetch
from runstore.sync.join import join
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.testing.machines import Machine

REFS = ("main", "support/reply", "tests")


class World:
    """Machines, and the executions that each was told to have recorded."""

    def __init__(self, count: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.machines = [Machine(number) for number in range(1, count + 1)]
        self.recorded: set[bytes] = set()

    def connect(self, machine: Machine) -> Connect:
        """Return what opens a channel to a machine."""
        endpoint = Endpoint(machine.store, now=machine.now, actor=f"machine-{machine.number}")
        return lambda: LocalChannel(endpoint.answer)

    def step(self) -> None:
        """Do one thing at random."""
        one, other = self.chance.sample(self.machines, 2)
        act = self.chance.randrange(5)
        if act < 3:
            self.recorded.add(one.say(self.chance.choice(REFS)).id)
        elif act == 3:
            self.pull(one, other)
        else:
            self.push(one, other)

    def pull(self, one: Machine, other: Machine) -> None:
        """Fetch and join."""
        name = f"machine-{other.number}"
        with Remote(self.connect(other)) as remote:
            fetched = Fetch(one.store, remote, name, now=one.now, actor="puller").run()
        join(one.store, fetched.heads, now=one.now, actor="puller", action="pull")

    def push(self, one: Machine, other: Machine) -> None:
        """Push all heads; where the other has gone on, nothing moves."""
        heads = [(target, name) for name, target in one.refs().items() if name.startswith("heads/")]
        before = other.state()
        with Remote(self.connect(other)) as remote:
            try:
                push(one.store, remote, heads, upload=one.upload)
            except Conflict:
                refused = True
            else:
                refused = False
        if refused:
            assert other.state() == before

    def settle(self) -> None:
        """Let everybody pull from everybody, until nothing changes."""
        while True:
            before = [machine.refs() for machine in self.machines]
            for one in self.machines:
                for other in self.machines:
                    if one is not other:
                        self.pull(one, other)
            if before == [machine.refs() for machine in self.machines]:
                return

    def check(self) -> None:
        """All heads are equal, and lead to every execution that was recorded, each once."""
        heads = [{name: target for name, target in machine.refs().items() if name.startswith("heads/")} for machine in self.machines]
        assert all(found == heads[0] for found in heads)
        for machine in self.machines:
            assert _plain_executions(machine.store) == sorted(self.recorded)
            assert list(fsck(machine.store)) == []


def _plain_executions(store: Store) -> list[bytes]:
    with store.read() as reader:
        return sorted(obj.id for _, obj in reader.objects() if obj.kind == 5 and not decode_execution(obj.body).is_merge)


@pytest.mark.parametrize(("count", "seed"), [(2, 1), (2, 2), (3, 3)])
def test_machines_that_exchange_at_random_end_equal(count: int, seed: int) -> None:
    """Whatever was recorded where, after everybody has pulled all have the same heads and every execution once."""
    world = World(count, seed)
    for _ in range(60):
        world.step()
    world.settle()
    world.check()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2))
def test_two_thousand_steps(seed: int) -> None:
    """The same over 2,000 steps of two machines."""
    world = World(2, seed)
    for _ in range(2000):
        world.step()
    world.settle()
    world.check()
