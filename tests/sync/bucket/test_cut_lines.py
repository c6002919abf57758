"""The line to an object storage server is cut after any number of bytes: what is there is before or after, and a retry succeeds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from runstore.errors import RunstoreError
from runstore.sync.bucket import bucket as buckets
from runstore.sync.bucket.bucket import Bucket
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.seaweed import Seaweed
from tests.sync.bucket.test_cuts import state, through
from tests.sync.bucket.test_transport import ACCESS
from tests.sync.relay import Relay, relayed


@pytest.fixture
def relay(seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A line that can be cut. The environment still leads straight to the server."""
    monkeypatch.setattr(buckets, "pause", lambda failures: None)
    with relayed(int(seaweed.endpoint.rpartition(":")[2])) as made:
        yield made


def cut_lines(relay: Relay, seaweed: Seaweed, url: str, monkeypatch: pytest.MonkeyPatch, seed: int, count: int) -> None:
    """Push one more turn and fetch it, again and again, each time cut somewhere: once, or for good; then go on over a line that holds."""
    chance = random.Random(seed)
    near = f"http://127.0.0.1:{relay.port}"

    def over_the_line() -> Bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", near)
        found = Bucket(open_bucket(url).files, patience=0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)
        return found

    ours, third = Machine(1), Machine(3)
    there = connector(parse_url(url), ACCESS)
    ours.talk(2)
    ours.push(there)
    relay.reset(None)
    ours.say()
    ours.push(through(over_the_line()))
    whole = relay.used
    for _ in range(count):
        ours.say(text="more " * chance.randrange(2000))
        before = state(url)
        relay.reset(chance.randrange(whole), once=chance.random() < 0.9)
        try:
            ours.push(through(over_the_line()))
        except RunstoreError:
            after = state(url)
            assert after == before or after[1] == frozenset(ours.ids())
            ours.push(there)
        assert state(url) == ({"heads/main": ours.repo_ref("main")}, frozenset(ours.ids()))
        held = third.state()
        relay.reset(chance.randrange(whole), once=chance.random() < 0.9)
        try:
            third.fetch(through(over_the_line()), attempts=1)
        except RunstoreError:
            assert third.state() == held
            third.fetch(there)
        assert third.ids() == ours.ids()


def test_lines_that_are_cut(relay: Relay, seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a few offsets."""
    cut_lines(relay, seaweed, s3, monkeypatch, 1, 4)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_lines_that_are_cut_at_a_thousand_offsets(
    relay: Relay, seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """At 1,000 random offsets each way."""
    cut_lines(relay, seaweed, s3, monkeypatch, seed, 100)
