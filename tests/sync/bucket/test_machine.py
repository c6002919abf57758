"""Machines that record, push to and pull from one bucket at random, while it is compacted, end equal."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runstore.errors import Conflict, NotFound
from runstore.model.executions import decode_execution
from runstore.sync.bucket.compact import compact
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.connect import Connect
from runstore.sync.join import join
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.test_transport import ACCESS

REFS = ("main", "main", "other")


def pull(machine: Machine, there: Connect) -> None:
    """Fetch and join; nothing if nobody has pushed yet."""
    try:
        fetched = machine.fetch(there)
    except NotFound:
        return
    join(machine.store, fetched.heads, now=machine.now, actor="puller", action="pull")


def push_all(machine: Machine, there: Connect) -> bool:
    """Push all heads; False where others have gone on."""
    names = [name.removeprefix("heads/") for name in machine.refs() if name.startswith("heads/")]
    try:
        machine.push(there, *names)
    except Conflict:
        return False
    return True


def executions(machine: Machine) -> set[bytes]:
    """Return the ids of all executions that are no merges."""
    with machine.store.read() as reader:
        return {obj.id for _, obj in reader.objects() if obj.kind == 5 and not decode_execution(obj.body).is_merge}


@pytest.mark.parametrize(
    ("seed", "count", "steps"),
    [(1, 2, 80), (2, 3, 80), pytest.param(3, 2, 2000, marks=pytest.mark.soak), pytest.param(4, 3, 2000, marks=pytest.mark.soak)],
)
@pytest.mark.timeout(3600)
def test_machines_on_one_bucket_end_equal(tmp_path: Path, seed: int, count: int, steps: int) -> None:
    """After any steps, once each has pulled and pushed in turn, all have the same heads and every execution once."""
    chance = random.Random(seed)
    url = f"dir://{tmp_path / 'bucket'}"
    there = connector(parse_url(url), ACCESS)
    machines = [Machine(number) for number in range(1, count + 1)]
    recorded: set[bytes] = set()
    for _ in range(steps):
        machine, act = chance.choice(machines), chance.randrange(6)
        if act < 3:
            recorded.add(machine.say(chance.choice(REFS)).id)
        elif act == 3:
            pull(machine, there)
        elif act == 4 and machine.refs():
            push_all(machine, there)
        elif act == 5 and chance.random() < 0.2:
            compact(open_bucket(url), now=lambda: ACCESS.now() * 2, min_age=0)
    for machine in [*machines, *machines]:
        pull(machine, there)
        assert push_all(machine, there)
    for machine in machines:
        pull(machine, there)
    heads = [{name: target for name, target in machine.refs().items() if name.startswith("heads/")} for machine in machines]
    bucket = open_bucket(url)
    assert all(found == bucket.refs(bucket.load().root) for found in heads)
    for machine in machines:
        assert executions(machine) == recorded
        assert list(machine.repo.fsck()) == []
