"""A remote that does not keep conditions on writes is found out before anything of ours lies there."""

from __future__ import annotations

import pytest

from runstore.errors import Refused
from runstore.sync.bucket.connect import connector, open_bucket
from runstore.sync.bucket.root import Root
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from tests.sync.bucket.careless import careless_server
from tests.sync.bucket.test_transport import ACCESS


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the client reach a server without credentials of any worth."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install runstore[s3]")
    told = {"ENDPOINT_URL": address, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1"}
    for name, value in told.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.parametrize(("heeds", "reason"), [((), "If-None-Match"), (("If-None-Match",), "stale version")])
def test_a_server_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch, heeds: tuple[str, ...], reason: str) -> None:
    """A push to a server that overwrites is refused with the reason, and nothing is left there."""
    with careless_server(*heeds) as (address, objects):
        reach(monkeypatch, address)
        ours = Machine(1)
        ours.talk(1)
        with pytest.raises(Refused, match=reason) as refused:
            ours.push(connector(parse_url("s3://bucket/runs"), ACCESS))
        assert refused.value.kind == "no-conditional-writes"
        assert objects == {}


def test_a_server_that_heeds_both_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server with conditions kept holds a bucket: so it is the conditions that the refusal is about."""
    with careless_server("If-Match", "If-None-Match") as (address, objects):
        reach(monkeypatch, address)
        ours = Machine(1)
        ours.talk(1)
        ours.push(connector(parse_url("s3://bucket/runs"), ACCESS))
        assert sorted(name.rpartition(".")[2] for name in objects) == ["/bucket/runs/root", "index", "pack"]


def test_a_probe_leaves_nothing_behind(url: str) -> None:
    """After the probe of a real remote, it is as empty as before."""
    bucket = open_bucket(url)
    bucket.probe()
    assert list(bucket.files.list("probe")) == []
    assert bucket.load().root == Root()
