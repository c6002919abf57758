"""Static files behind a web server, and directories: the same layout, told apart from stores and servers without being told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runstore.errors import Unavailable
from runstore.sync.bucket.static import StaticFiles
from runstore.sync.connect import open_remote
from runstore.sync.push import push
from runstore.testing.machines import Machine
from tests.serve.serving import granted, serving
from tests.sync.bucket.seaweed import Seaweed
from tests.sync.bucket.test_transport import ACCESS


class _Quiet(SimpleHTTPRequestHandler):
    """Knows no ranges."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def static_server(directory: Path) -> Iterator[str]:
    """Serve a directory; give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def source(tmp_path: Path) -> Machine:
    """A machine that has pushed ten turns to `bucket`."""
    machine = Machine(1)
    machine.talk(10)
    with open_remote(f"dir://{tmp_path / 'bucket'}", ACCESS) as remote:
        push(machine.store, remote, [(machine.repo_ref("main"), "heads/main")], upload=machine.upload)
    return machine


def test_static_files_can_be_fetched_from(tmp_path: Path, source: Machine) -> None:
    """What lies behind a plain web server is fetched whole, by the URL of the directory."""
    ours = Machine(2)
    with static_server(tmp_path) as address:
        remote = open_remote(f"{address}/bucket", ACCESS)
        ours.fetch(remote._connect)
    assert ours.ids() == source.ids()


def test_a_server_with_ranges_gives_parts(seaweed: Seaweed, s3: str) -> None:
    """The same bucket that is written to as object storage is read as static files from a server that knows ranges."""
    ours, source = Machine(2), Machine(1)
    source.talk(5)
    source.repo.add({"model": {"name": "m"}}, output=bytes(range(256)) * 40_000)
    with open_remote(s3, ACCESS) as remote:
        push(source.store, remote, [(source.repo_ref("main"), "heads/main")], upload=source.upload)
    address = f"{seaweed.files}/{s3.removeprefix('s3://')}"
    assert StaticFiles(address).part("root", 2, 4) == b"ROOT"
    ours.fetch(open_remote(address, ACCESS)._connect)
    assert ours.ids() == source.ids()


def test_static_files_are_not_pushed_to(tmp_path: Path, source: Machine) -> None:
    """A push to static files says that they are only read, and from where they come is to be pushed to."""
    source.talk(1)
    with (
        static_server(tmp_path) as address,
        open_remote(f"{address}/bucket", ACCESS) as remote,
        pytest.raises(Unavailable, match="static") as refused,
    ):
        push(source.store, remote, [(source.repo_ref("main"), "heads/main")], upload=source.upload)
    assert refused.value.kind == "read-only"


def test_a_path_to_a_bucket_is_taken_for_one(tmp_path: Path, source: Machine) -> None:
    """A directory that holds a bucket needs no scheme."""
    ours = Machine(2)
    ours.fetch(open_remote(str(tmp_path / "bucket"), ACCESS)._connect)
    assert ours.ids() == source.ids()


def test_a_server_is_asked_first_and_nothing_else(tmp_path: Path) -> None:
    """Whoever calls a server makes no request without his token, and no more requests than calls."""
    Machine(1, tmp_path / "team").close()
    tokens = granted(tmp_path / "tokens.toml", {"ana": ["append team"]})
    ours = Machine(2)
    ours.talk(2)
    with serving({"team": tmp_path / "team"}, tmp_path / "tokens.toml") as running:
        access = ACCESS._replace(token=lambda: tokens["ana"])
        for _ in range(2):
            ours.say()
            with open_remote(f"{running.url}/team", access) as remote:
                push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
                assert remote.calls <= 4
    lines = [line for line in running.log.read_text().splitlines() if "method=" in line and "method=GET status=200" not in line]
    assert 4 <= len(lines) <= 5  # the last call may not be logged yet when the server is told to end
    assert all("method=POST" in line and "token=ana status=200" in line for line in lines), lines
