"""Answers that are lost on the way: a put of the root that has landed is a success, whoever was told."""

from __future__ import annotations

import pytest

from runstore.model.ids import Link
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.cutting import cutting_proxy
from tests.sync.bucket.seaweed import Seaweed
from tests.sync.bucket.test_transport import ACCESS


def test_a_lost_answer_to_the_roots_put_is_the_success_it_was(seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is cut after the server has moved the root: the push says moved, and the root was moved once."""
    ours = Machine(1)
    tip = ours.talk(2)
    with cutting_proxy(seaweed.endpoint, answer_to=rb"PUT \S*/root ", times=1) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        pushed = ours.push(connector(parse_url(s3), ACCESS))
        assert proxy.cut == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)
    root = open_bucket(s3).load().root
    assert [state for *_, state in pushed.refs] == ["moved"]
    assert root.refs == {"heads/main": tip}
    assert len(root.writes) == 1


def test_lost_answers_while_others_write(seaweed: Seaweed, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each put's answer is lost once, on two refs in turn: both end at their last pushes, and every put that landed counts once."""
    ours, others = Machine(1), Machine(2)
    tips: dict[str, Link] = {}
    with cutting_proxy(seaweed.endpoint, answer_to=rb"PUT \S*/root ", times=6) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        there = connector(parse_url(s3), ACCESS)
        for _ in range(3):
            for name, machine in (("ours", ours), ("others", others)):
                tips[f"heads/{name}"] = machine.talk(1, name)
                machine.push(there, name)
        assert proxy.cut == 6
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint)
    root = open_bucket(s3).load().root
    assert root.refs == tips
    assert len(root.writes) == 6
