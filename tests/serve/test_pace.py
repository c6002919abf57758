"""Limits of a server: calls at once, calls a minute, slow peers; and how it ends."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.errors import RunstoreError
from runstore.serve.pace import Rate
from runstore.sync.http import CONTENT_TYPE
from runstore.sync.messages import Message, to_bytes
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.testing.machines import Machine
from tests.serve.raw import call, exchange, read_response, request
from tests.serve.serving import Running, granted, serving
from tests.sync.forge import UPLOAD

pytest.importorskip("starlette", reason="the extra [serve] is not installed")
HELLO = Message("hello", {"version": 1, "names": [], "prefixes": []})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A server that takes two calls at once and has little patience."""
    Machine(1, tmp_path / "team").close()
    granted(tmp_path / "tokens.toml", {"ana": ["append team"]})
    with serving(
        {"team": tmp_path / "team"}, tmp_path / "tokens.toml", "--limit", "calls=2", "--limit", "idle=1", "--limit", "rate=40"
    ) as made:
        yield made


TOKEN = "rst_" + "0" * 43


def begin(running: Running) -> socket.socket:
    """Begin a call and leave it open."""
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    headers = f"POST /team HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {CONTENT_TYPE}\r\n"
    part = to_bytes(Message("push", {"upload": UPLOAD, "frame": 0}))
    sock.sendall(headers.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(part), part))
    return sock


def test_slow_peers_are_given_up_and_free_their_places(running: Running) -> None:
    """A call that does not go on holds its place for so many seconds; meanwhile others are told to come back, and then are served."""
    slow = [begin(running) for _ in range(2)]
    time.sleep(0.3)
    refused = exchange(running.port, call("/team", TOKEN, HELLO))
    assert refused.status == 503
    assert b"retry-after: 1" in refused.head
    for sock in slow:
        assert b"too-slow" in read_response(sock).body
        sock.close()
    assert exchange(running.port, call("/team", TOKEN, HELLO)).status == 200


def test_a_trickle_is_slow_too(running: Running) -> None:
    """A byte now and then is no progress."""
    with begin(running) as sock:
        sock.settimeout(0.1)
        until = time.monotonic() + 8
        found = b""
        while not found and time.monotonic() < until:
            try:
                sock.sendall(b"1\r\n\0\r\n")
                found = sock.recv(1 << 16)
            except TimeoutError:
                continue
        assert found.startswith(b"HTTP/1.1 200")
        assert b"too-slow" in found + read_response(sock).head


def test_too_many_calls(running: Running) -> None:
    """More calls than the rate allows are told to come back, strangers sooner than who has a token."""
    strangers = [exchange(running.port, request("GET", "/team")).status for _ in range(6)]
    assert strangers == [401] * 4 + [429] * 2
    known = [exchange(running.port, call("/team", TOKEN, HELLO)).status for _ in range(42)]
    assert 38 <= known.count(200) <= 41
    assert set(known) == {200, 429}


def test_a_server_that_ends_finishes_its_calls(running: Running, tmp_path: Path) -> None:
    """After SIGTERM a call that runs is answered and what it stored is there; then the process ends with 0."""
    ours = Machine(3)
    ours.talk(3)
    for seed in range(3):
        ours.repo.add({"model": {"name": "m"}}, output=random.Random(seed).randbytes(4 << 20))
    begun, go_on = threading.Event(), threading.Event()
    done: list[object] = []
    sent = 0

    def held(objects: int, size: int) -> None:
        nonlocal sent
        sent += size
        if sent > 9 << 20:  # two frames are on their way
            begun.set()
            go_on.wait(5)

    def pushing() -> None:
        try:
            with Remote(running.connect("team", TOKEN)) as remote:
                done.append(
                    push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload, progress=held, attempts=1)
                )
        except RunstoreError as error:
            done.append(error)

    thread = threading.Thread(target=pushing)
    thread.start()
    assert begun.wait(10)
    time.sleep(0.2)
    running.process.terminate()
    time.sleep(0.3)
    go_on.set()
    thread.join(10)
    assert running.process.wait(10) == 0
    assert not isinstance(done[0], Exception), done[0]
    there = Machine(1, tmp_path / "team")
    assert there.ids() == ours.ids()
    there.close()


def test_a_server_with_an_idle_connection_ends(running: Running) -> None:
    """A client that keeps its connection does not keep the server."""
    with Remote(running.connect("team", TOKEN)) as remote:
        remote.hello()
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 5


def test_the_rate_fills_up_again() -> None:
    """After a minute without calls there are as many as at first, for each key by itself."""
    moment = 0.0
    rate = Rate(60, lambda: moment)
    assert [rate.wait("a") for _ in range(61)] == [0.0] * 60 + [1.0]
    assert rate.wait("b") == 0.0
    moment = 1.0
    assert [rate.wait("a") for _ in range(2)] == [0.0, 1.0]
    moment = 1000.0
    assert [rate.wait("a") for _ in range(61)] == [0.0] * 60 + [1.0]
