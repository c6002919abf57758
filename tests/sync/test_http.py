"""The transport for HTTP, against a real server: the public suite, and what is HTTP's own."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.errors import Busy, InvalidInput, NotFound, Refused, RunstoreError, Unavailable
from runstore.repo import TABLES
from runstore.store.lmdb import LmdbStore
from runstore.sync.connect import Connect
from runstore.sync.http import Asked, HttpChannel
from runstore.sync.push import push
from runstore.sync.remote import Remote
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from runstore.testing.transports import TransportConformance
from tests.serve.serving import Running, granted, serving
from tests.sync.relay import relayed

STORES = 30


class Pool:
    """A server with stores that nobody has used yet: starting one for each test would take most of the time."""

    def __init__(self, running: Running, stores: dict[str, Path], token: str) -> None:
        self.running = running
        self.token = token
        self._free = dict(stores)
        self._names = {path: name for name, path in stores.items()}

    def take(self) -> Path:
        """Return the directory of an empty store."""
        return self._free.popitem()[1]

    def connect(self, directory: Path) -> Connect:
        """Return what opens a channel, with all rights, to the store in a directory."""
        return self.running.connect(self._names[directory], self.token)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A server with empty stores."""
    place = tmp_path_factory.mktemp("served")
    stores = {f"store-{number}": place / f"store-{number}" for number in range(STORES)}
    for path in stores.values():
        LmdbStore.open(path, TABLES, create=True).close()
    tokens = granted(place / "tokens.toml", {"peer": ["force *"]})
    with serving(stores, place / "tokens.toml", "--limit", "rate=100000") as running:
        yield Pool(running, stores, tokens["peer"])


class TestHttp(TransportConformance):
    @pytest.fixture(autouse=True)
    def reached_over(self, pool: Pool) -> None:
        """Note the server."""
        self.pool = pool

    @pytest.fixture
    def theirs(self, pool: Pool) -> Iterator[Machine]:
        """The machine that is called: one of those that the server serves."""
        machine = Machine(2, pool.take())
        yield machine
        machine.close()

    def connect(self, directory: Path) -> Connect:
        return self.pool.connect(directory)


def quick(url: str, token: str | None) -> Connect:
    """Return what opens a channel that does not pause before it calls again."""
    return lambda: HttpChannel(parse_url(url), False, Asked(lambda: token), pause=lambda seconds: None)


def pushing(ours: Machine, connect: Connect) -> None:
    """Push main, in one attempt."""
    with Remote(connect) as remote:
        push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload, attempts=1)


def cut_pushes(pool: Pool, seed: int, count: int) -> None:
    """Push one more turn again and again, each time cut somewhere, and once more whole."""
    chance = random.Random(seed)
    directory = pool.take()
    ours, theirs = Machine(1), Machine(2, directory)
    ours.talk(3)
    pushing(ours, pool.connect(directory))
    with relayed(pool.running.port) as relay:
        connect = quick(f"http://127.0.0.1:{relay.port}/{directory.name}", pool.token)
        relay.reset(None)
        ours.say()
        pushing(ours, connect)
        whole = relay.used
        for _ in range(count):
            ours.say(text="more " * chance.randrange(2000))
            before = theirs.state()
            relay.reset(chance.randrange(whole))
            with pytest.raises(Unavailable):
                pushing(ours, connect)
            after = theirs.state()
            assert after == before or after[0] == ours.ids()
            relay.reset(None)
            pushing(ours, connect)
            assert theirs.ids() == ours.ids()
            assert theirs.repo_ref("main") == ours.repo_ref("main")
    theirs.close()


def cut_fetches(pool: Pool, seed: int, count: int) -> None:
    """Fetch one more turn again and again, each time cut somewhere, and once more whole."""
    chance = random.Random(seed)
    directory = pool.take()
    ours, theirs = Machine(1), Machine(2, directory)
    theirs.talk(3)
    with relayed(pool.running.port) as relay:
        connect = quick(f"http://127.0.0.1:{relay.port}/{directory.name}", pool.token)
        ours.fetch(connect)
        relay.reset(None)
        theirs.say()
        ours.fetch(connect)
        whole = relay.used
        for _ in range(count):
            theirs.say(text="more " * chance.randrange(2000))
            before = ours.state()
            relay.reset(chance.randrange(whole))
            with pytest.raises(Unavailable):
                ours.fetch(connect, attempts=1)
            assert ours.state() == before
            relay.reset(None)
            ours.fetch(connect, attempts=1)
            assert ours.ids() == theirs.ids()
    theirs.close()


def test_connections_that_are_cut(pool: Pool) -> None:
    """Wherever a connection is cut, the receiver is as before or as after, and the next try succeeds."""
    cut_pushes(pool, 1, 15)
    cut_fetches(pool, 2, 15)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_connections_that_are_cut_at_a_thousand_offsets(pool: Pool) -> None:
    """The same at 1,000 random offsets each way."""
    cut_pushes(pool, 3, 1000)
    cut_fetches(pool, 4, 1000)


def test_an_upload_goes_on_at_a_frame(pool: Pool) -> None:
    """What the server kept of an upload that was cut is not sent again."""
    directory = pool.take()
    ours, theirs = Machine(1), Machine(2, directory)
    for seed in range(24):
        ours.repo.add({"model": {"name": "m"}}, output=random.Random(seed).randbytes(1 << 20))
    with relayed(pool.running.port) as relay:
        # The rest of the budget goes to the connections after the cut: enough for what was not kept, and not for all of it.
        relay.reset(18 << 20)
        carried: list[int] = []

        def connect() -> HttpChannel:
            carried.append(relay.used)
            if len(carried) > 1:
                relay.reset(None)
            return HttpChannel(
                parse_url(f"http://127.0.0.1:{relay.port}/{directory.name}"), False, Asked(lambda: pool.token), pause=lambda seconds: None
            )

        with Remote(connect) as remote:
            push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
        assert theirs.ids() == ours.ids()
        assert carried[1] >= 18 << 20
        assert relay.used < 14 << 20
    assert not list((directory / "quarantine").glob("*.upload"))
    theirs.close()


def test_a_lost_answer_is_a_success(pool: Pool) -> None:
    """A push whose answer was lost was carried out: asked again it says so, and nothing is stored twice."""
    directory = pool.take()
    ours, theirs = Machine(1), Machine(2, directory)
    ours.talk(3)
    pushing(ours, pool.connect(directory))
    with relayed(pool.running.port) as relay:
        url = f"http://127.0.0.1:{relay.port}/{directory.name}"
        ours.say()
        relay.reset(None)
        pushing(ours, quick(url, pool.token))
        relay.reset(relay.used - 20)  # the same size again, less the end of the answer
        ours.say()
        budgets = iter([None])

        def connect() -> HttpChannel:
            if relay.used:
                relay.reset(next(budgets))
            return HttpChannel(parse_url(url), False, Asked(lambda: pool.token), pause=lambda seconds: None)

        with Remote(connect) as remote:
            pushed = push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload)
    assert [state for *_, state in pushed.refs] == ["moved"]
    assert next(budgets, "asked again") == "asked again"
    assert len(theirs.repo.reflog("main")) == 3
    theirs.close()


def test_a_connection_that_the_server_closed_between_calls(pool: Pool) -> None:
    """A client that was idle notices before it calls, and opens another connection."""
    directory = pool.take()
    ours = Machine(1)
    ours.talk(2)
    with relayed(pool.running.port) as relay, Remote(quick(f"http://127.0.0.1:{relay.port}/{directory.name}", pool.token)) as remote:
        remote.hello()
        relay.reset(None)
        push(ours.store, remote, [(ours.repo_ref("main"), "heads/main")], upload=ours.upload, attempts=1)


class Scripted:
    """A server that gives one canned response to each connection, and keeps what it was sent."""

    def __init__(self, *responses: bytes) -> None:
        self._responses = list(responses)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for response in self._responses:
            sock, _ = self._listener.accept()
            with sock:
                self.requests.append(sock.recv(1 << 16))
                sock.sendall(response)
        self._listener.close()

    def hello(self, pauses: list[float] | None = None) -> None:
        """Call it."""
        noted = pauses if pauses is not None else []
        url = parse_url(f"http://127.0.0.1:{self.port}/x")
        with Remote(lambda: HttpChannel(url, False, Asked(lambda: "t0ken"), pause=noted.append)) as remote:
            remote.hello()


def reply(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a response."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


@pytest.mark.parametrize(
    ("response", "error", "kind"),
    [
        (reply("401 Unauthorized"), Refused, "unauthorized"),
        (reply("404 Not Found"), NotFound, "not-found"),
        (reply("302 Found", "Location: http://elsewhere.example/x"), Refused, "moved"),
        (reply("200 OK", "Content-Type: text/html", body=b"<html>"), Refused, "bad-answer"),
        (reply("413 Payload Too Large"), Refused, "bad-answer"),
        (reply("501 Unsupported method"), Refused, "bad-answer"),  # a server of files, which takes no calls
        (reply("500 Internal Server Error", "Content-Type: text/plain", body=b"oh"), Unavailable, "server-error"),
        (reply("200 OK", "Content-Type: application/x-runstore", body=b"\xff" * 40), Refused, "limit-exceeded"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Unavailable, "disconnected"),
    ],
)
def test_what_is_no_answer_of_a_store(response: bytes, error: type[RunstoreError], kind: str) -> None:
    """Whatever stands at the URL, the caller is told what it said, as an error of its class."""
    server = Scripted(*[response] * 3)
    with pytest.raises(error) as failed:
        server.hello()
    assert failed.value.kind == kind


def test_a_redirect_is_not_followed() -> None:
    """The token goes to the host of the URL and to no other."""
    other = Scripted()
    server = Scripted(reply("308 Permanent Redirect", f"Location: http://127.0.0.1:{other.port}/x"))
    with pytest.raises(Refused, match="is at"):
        server.hello()
    assert other.requests == []


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    """429 and 503 with a time are waited for, but not for ever."""
    pauses: list[float] = []
    server = Scripted(*[reply("503 Service Unavailable", "Retry-After: 3"), reply("429 Too Many Requests", "Retry-After: 900")] * 2)
    with pytest.raises(Busy):
        server.hello(pauses)
    assert pauses == [3.0, 20.0]
    assert len(server.requests) == 3


def test_the_token_is_a_header() -> None:
    """It stands in no other place of the request; one that could end the header is refused."""
    server = Scripted(reply("404 Not Found"))
    with pytest.raises(NotFound):
        server.hello()
    assert server.requests[0].count(b"t0ken") == 1
    assert b"Authorization: Bearer t0ken\r\n" in server.requests[0]
    with pytest.raises(Refused), Remote(quick("http://127.0.0.1:1/x", "a\r\nX: b")) as remote:
        remote.hello()


def test_nobody_there() -> None:
    """A server that is not there is told from one that refuses, with the next step."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unavailable) as failed, Remote(quick(f"http://127.0.0.1:{port}/x", None)) as remote:
        remote.hello()
    assert failed.value.kind == "unreachable"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    place = tmp_path_factory.mktemp("tls")
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run([*made.split(), *files], check=True, capture_output=True)
    return place


def test_tls(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https a store is pushed to if its certificate is trusted, and not spoken to otherwise."""
    Machine(1, tmp_path / "team").close()
    tokens = granted(tmp_path / "tokens.toml", {"ana": ["append team"]})
    options = ("--tls-cert", str(certificate / "cert.pem"), "--tls-key", str(certificate / "key.pem"))
    ours = Machine(3)
    ours.talk(3)
    ours.repo.add({"model": {"name": "m"}}, output=random.Random(1).randbytes(9 << 20))
    with serving({"team": tmp_path / "team"}, tmp_path / "tokens.toml", *options, scheme="https") as running:
        with pytest.raises(Unavailable) as failed:
            ours.push(running.connect("team", tokens["ana"]))
        assert failed.value.kind == "tls"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        ours.push(running.connect("team", tokens["ana"]))
        third = Machine(4)
        third.fetch(running.connect("team", tokens["ana"]))
    assert third.ids() == ours.ids()


@pytest.mark.parametrize("url", ["https://me@host/x", "https://me:secret@host/x", "https://host", "https://host/", "https://host/x?y=1"])
def test_urls_that_are_refused(url: str) -> None:
    """A URL that names a user, no store or a query is refused before anything is opened; no secret is repeated."""
    with pytest.raises(InvalidInput) as refused:
        parse_url(url)
    assert "secret" not in str(refused.value)
