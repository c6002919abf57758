"""A real object storage server for these tests: SeaweedFS from PyPI, on loopback, one for a session; and the other places of a bucket."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.bucket.seaweed import Seaweed, find_weed


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A running server with an empty bucket. Skipped where the program or the client is not installed."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install runstore[s3]")
    if find_weed() is None:
        pytest.skip("weed is not installed: pip install runstore[test-s3]")
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    server.start()
    try:
        server.make_bucket()
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL in object storage where nothing lies yet; the environment says how it is reached."""
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{seaweed.bucket}/{uuid.uuid4().hex}"


@pytest.fixture(params=["dir", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a bucket where nothing lies yet: in a directory, and in object storage."""
    if request.param == "s3":
        found = request.getfixturevalue("s3")
        assert isinstance(found, str)
        return found
    return f"dir://{tmp_path / 'bucket'}"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person who runs the tests has set up for object storage stays out of them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
