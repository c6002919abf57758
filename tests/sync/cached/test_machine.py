"""Machines that record into one bucket at random, crash, undo and come back: in the end all have the same, and nothing is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runstore.errors import Conflict
from tests.sync.cached.support import Site, there

REFS = ("main", "main", "main", "other", "Third")


@pytest.mark.parametrize(
    ("seed", "sites", "steps"), [(1, 2, 120), (2, 3, 120), *(pytest.param(seed, 3, 1000, marks=pytest.mark.soak) for seed in range(3, 9))]
)
@pytest.mark.timeout(3600)
def test_sites_end_equal_whatever_they_did(tmp_path: Path, seed: int, sites: int, steps: int) -> None:
    """After any steps, once each has flushed and refreshed, all have the same refs, and every execution that no rewind left behind."""
    chance = random.Random(seed)
    url = f"dir://{tmp_path / 'bucket'}"
    machines = [Site(url, tmp_path, number) for number in range(1, sites + 1)]
    recorded: dict[str, set[str]] = {name: set() for name in REFS}
    for _ in range(steps):
        site = chance.choice(machines)
        action = chance.choices(["say", "flush", "refresh", "crash", "tag", "rewind"], [10, 4, 4, 1, 1, 1])[0]
        if action == "say":
            ref = chance.choice(REFS)
            recorded[ref].add(site.say(ref).hex)
        elif action == "flush":
            site.store.flush()
        elif action == "refresh":
            site.store.refresh()
        elif action == "crash":
            site.let_go()
            site.open()
        elif action == "tag" and "heads/main" in site.refs():
            site.repo.tag(f"t{site.number}-{chance.randrange(1000)}-{len(recorded['main'])}", "main")
        elif action == "rewind":
            rewind(site)
    for _ in range(2):
        for site in machines:
            site.store.flush()
    for site in machines:
        site.store.refresh()
    ends = [site.refs() for site in machines]
    assert all(end == there(url) for end in ends)
    for site in machines:
        for ref in ("main", "other", "Third"):
            if recorded[ref]:
                assert set(site.log(ref)) == recorded[ref]
        assert list(site.repo.fsck()) == []
        site.close()


def rewind(site: Site) -> None:
    """Move a ref of its own back by one, which nobody else has gone on with."""
    name = f"own-{site.number}"
    tip, _ = site.say(name), site.say(name)
    try:
        site.repo.set_ref(name, tip.hex)
    except Conflict:  # pragma: no cover - nobody else moves it
        raise AssertionError("somebody moved it") from None
