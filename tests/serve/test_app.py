"""The server over HTTP: who gets in, what he sees and may do, and what no client would send."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest

from runstore.errors import Conflict, NotFound, Refused, RunstoreError
from runstore.model.ids import Link
from runstore.repo import TABLES, now_microseconds
from runstore.serve.settings import Settings
from runstore.sync.http import CONTENT_TYPE
from runstore.sync.messages import END, Message
from runstore.sync.push import Pushed, push
from runstore.sync.remote import Remote
from runstore.testing.machines import Machine
from tests.serve.raw import call, exchange, read_response, request
from tests.serve.serving import Running, granted, serving
from tests.sync.forge import UPLOAD, execution, frames, run_objects, send

pytest.importorskip("starlette", reason="the extra [serve] is not installed")
HELLO = Message("hello", {"version": 1, "names": [], "prefixes": ["heads/", "tags/"]})
GRANTS = {
    "ana": ["append team", "force team heads/ana/*"],
    "bob": ["read team heads/public/*"],
    "ci": ["append team heads/ci/*", "read team heads/public/*"],
    "eve": ["append other"],
    "root": ["admin *"],
    "head": ["admin team"],
}


class World(NamedTuple):
    """A server with two stores, the tokens by name, and executions of the one called team."""

    running: Running
    tokens: dict[str, str]
    public: Link
    hidden: Link
    place: Path

    def remote(self, store: str, name: str | None) -> Remote:
        """Return a store as somebody reaches it."""
        return Remote(self.running.connect(store, None if name is None else self.tokens[name]))

    def header(self, name: str) -> str:
        """Return the header with somebody's token."""
        return f"Authorization: Bearer {self.tokens[name]}"


def talks(machine: Machine) -> tuple[Link, Link]:
    """Record what the store called team holds."""
    return machine.talk(3, "public/a"), machine.talk(3, "secret/b")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The server."""
    place = tmp_path_factory.mktemp("server")
    team, other = Machine(1, place / "team"), Machine(2, place / "other")
    public, hidden = talks(team)
    other.talk(2)
    team.close()
    other.close()
    tokens = granted(place / "tokens.toml", GRANTS)
    with serving({"team": place / "team", "other": place / "other"}, place / "tokens.toml", "--limit", "rate=100000") as running:
        yield World(running, tokens, public, hidden, place)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with executions of its own."""
    made = Machine(7)
    made.talk(2)
    yield made
    made.close()


def pushed(machine: Machine, remote: Remote, here: str, there: str, *, force: bool = False) -> Pushed:
    """Push a head under another name."""
    with remote:
        return push(machine.store, remote, [(machine.repo_ref(here), f"heads/{there}")], upload=machine.upload, force=force)


def told(act: Callable[[], object], *secrets: str) -> str:
    """Return what an act fails with, without what the caller said himself."""
    with pytest.raises(RunstoreError) as failed:
        act()
    text = f"{type(failed.value)} {failed.value} {failed.value.hint}"
    for one in secrets:
        text = text.replace(one, "…")
    return text


class TestDenial:
    def test_every_route_is_closed_without_a_token(self, world: World) -> None:
        """Whatever route and method: without a token that the server knows there is 401 and nothing else, but for /healthz."""
        from runstore.serve.app import build

        routes = build(Settings((), str(world.running.tokens), TABLES, now_microseconds)).routes
        paths = {str(getattr(route, "path", "")).replace("{name}", name) for route in routes for name in ("team", "other", "none")}
        assert {"/healthz", "/metrics", "/team"} <= paths
        odd = ["/", "/team/", "/team/x", "/team/../other", "/%2e%2e", "//team", "/nothing/here", "/healthz/", "/healthz%2f..%2fteam"]
        answers = {
            (path, method, header): exchange(world.running.port, request(method, path, *header))
            for path in (*sorted(paths - {"/healthz"}), *odd)
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
            for header in ((), ("Authorization: Bearer wrong",), (f"Authorization: Basic {world.tokens['ana']}",))
        }
        assert {place: answer.status for place, answer in answers.items()} == dict.fromkeys(answers, 401)
        assert {answer.body for answer in answers.values()} == {b"a token is needed that the server knows\n", b""}

    def test_health_needs_no_token(self, world: World) -> None:
        """A supervisor can ask whether the server runs, and learns no more."""
        assert exchange(world.running.port, request("GET", "/healthz")).body == b"ok\n"

    def test_a_store_without_rights_looks_like_none(self, world: World) -> None:
        """Callers do not learn which stores there are."""
        assert told(world.remote("other", "bob").hello, "other") == told(world.remote("none", "bob").hello, "none")

    def test_refs_that_may_not_be_read_are_not_there(self, world: World) -> None:
        """They are neither listed nor found by name, and what they lead to looks like what does not exist."""
        with world.remote("team", "bob") as remote:
            assert set(remote.hello(prefixes=["heads/", "tags/"]).refs) == {"heads/public/a"}
            assert remote.hello(names=["heads/secret/b"]).refs == {}
            assert remote.has([world.public.id, world.hidden.id, bytes(32)]) == [True, False, False]
            hidden, none = (
                told(lambda key=key: remote.get([key], take=lambda frame: None), key.hex())  # type: ignore[misc]
                for key in (world.hidden.id, bytes(32))
            )
        assert hidden == none

    def test_nobody_learns_from_one_store_what_another_holds(self, world: World) -> None:
        """Objects of one store are unknown in another, asked for or linked to."""
        run = run_objects(prompt="x")
        builds_on = execution(run[-1].link, [world.public])
        with world.remote("other", "eve") as remote:
            assert remote.has([world.public.id]) == [False]
            with pytest.raises(Refused) as refused:
                send(remote, frames([*run, builds_on]), [("heads/x", None, builds_on.link)])
        assert refused.value.kind == "missing-object"

    def test_a_push_does_not_tell_what_was_there(self, world: World) -> None:
        """Who sends what the store holds under refs that he may not read is told that all of it was new."""
        copy = Machine(1)
        assert talks(copy) == (world.public, world.hidden)
        with world.remote("other", "eve") as stranger, world.remote("team", "ci") as remote:
            elsewhere = pushed(copy, stranger, "secret/b", "guess")
            here = pushed(copy, remote, "secret/b", "ci/guess")
        assert here.new == here.objects
        assert elsewhere.new == elsewhere.objects


class TestRights:
    def test_reading_is_not_writing(self, world: World, machine: Machine) -> None:
        """A push without the right is refused before its objects are kept."""
        before = sorted((world.place / "team").rglob("*.upload"))
        with pytest.raises(Refused) as refused:
            pushed(machine, world.remote("team", "bob"), "main", "public/mine")
        assert refused.value.kind == "forbidden"
        assert sorted((world.place / "team").rglob("*.upload")) == before

    def test_writing_where_it_is_granted(self, world: World, machine: Machine) -> None:
        """Under its pattern a ref can be made and moved forward, and the reflog names the token; elsewhere it cannot."""
        pushed(machine, world.remote("team", "ci"), "main", "ci/unit")
        machine.say()
        assert [state for *_, state in pushed(machine, world.remote("team", "ci"), "main", "ci/unit").refs] == ["moved"]
        for name in ("main", "cia", "public/a2"):
            with pytest.raises(Refused) as refused:
                pushed(machine, world.remote("team", "ci"), "main", name)
            assert refused.value.kind == "forbidden"
        there = Machine(1, world.place / "team")
        assert there.repo.reflog("ci/unit")[0].actor == "ci"
        there.close()

    def test_force_needs_its_right(self, world: World, machine: Machine) -> None:
        """Appending is not forcing: without the right a forced push is refused, with it the reflog says so."""
        other = Machine(8)
        other.say()
        for name in ("ana/x", "plain/x"):
            pushed(machine, world.remote("team", "ana"), "main", name)
            with pytest.raises(Conflict):
                pushed(other, world.remote("team", "ana"), "main", name)
        with pytest.raises(Refused) as refused:
            pushed(other, world.remote("team", "ana"), "main", "plain/x", force=True)
        assert refused.value.kind == "forbidden"
        pushed(other, world.remote("team", "ana"), "main", "ana/x", force=True)
        there = Machine(1, world.place / "team")
        assert there.repo.reflog("ana/x")[0].action == "force-push"
        there.close()

    def test_figures_are_for_administrators(self, world: World) -> None:
        """/metrics shows the stores that one administers, and what concerns all only to who administers all."""
        shown = {name: exchange(world.running.port, request("GET", "/metrics", world.header(name))) for name in ("root", "head", "ana")}
        assert {name: answer.status for name, answer in shown.items()} == {"root": 200, "head": 200, "ana": 404}
        with world.remote("other", "eve") as remote:
            remote.hello()
        root, head = (exchange(world.running.port, request("GET", "/metrics", world.header(name))).body for name in ("root", "head"))
        for _ in range(200):  # a client may have its answer before the server has counted the call as ended
            if b"runstore_calls_running 0" in root:
                break
            time.sleep(0.05)
            root = exchange(world.running.port, request("GET", "/metrics", world.header("root"))).body
        assert b'store="other",call="hello",result="ok"' in root
        assert b"runstore_calls_running 0" in root
        assert b"other" not in head
        assert b"runstore_calls_running" not in head
        for line in root.decode().splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{[^}]*\})? [0-9.]+", line), line

    def test_the_log_holds_no_token(self, world: World) -> None:
        """Requests are logged with names; no token, right or wrong, and no path stands there."""
        exchange(world.running.port, request("GET", "/some-secret-path?token=also-secret", "Authorization: Bearer wrong-secret"))
        with world.remote("team", "bob") as remote:
            remote.hello()
        text = ""
        deadline = monotonic() + 20
        while "token=bob status=200" not in text and monotonic() < deadline:  # a request is logged once it has been answered
            text = world.running.log.read_text()
        assert "token=bob status=200" in text
        assert "secret" not in text
        assert not any(token in text for token in world.tokens.values())

    def test_a_token_that_is_taken_back_is_refused_at_once(self, world: World) -> None:
        """The file is read again without a restart."""
        from runstore.serve.tokens import add_token, new_secret, remove_token

        secret = new_secret(b"z" * 32)
        add_token(str(world.running.tokens), "guest", secret, [])
        assert exchange(world.running.port, request("GET", "/team", f"Authorization: Bearer {secret}")).status == 404
        remove_token(str(world.running.tokens), "guest")
        assert exchange(world.running.port, request("GET", "/team", f"Authorization: Bearer {secret}")).status == 401


class TestHostileRequests:
    def test_a_call_as_it_should_be(self, world: World) -> None:
        """What the tests below bend is answered when it is straight."""
        answer = exchange(world.running.port, call("/team", world.tokens["bob"], HELLO))
        assert answer.status == 200
        assert answer.body.endswith(END)

    @pytest.mark.parametrize(
        "path", ["/team/", "/team/..", "/../team", "/other/../team", "/team%00", "/TEAM", "/team;x", "/%74eam/x", "/.."]
    )
    def test_paths_that_are_not_names(self, world: World, path: str) -> None:
        """Only the name itself leads to a store."""
        answer = exchange(world.running.port, call(path, world.tokens["ana"], HELLO))
        assert answer.status in (400, 404, 405)

    def test_another_content_type(self, world: World) -> None:
        """A form that a browser was made to send is no call."""
        answer = exchange(world.running.port, request("POST", "/team", world.header("ana"), "Content-Type: text/plain", body=END))
        assert answer.status == 415

    def test_a_huge_head(self, world: World) -> None:
        """A head beyond 16 KiB is refused."""
        answer = exchange(world.running.port, request("GET", "/team", world.header("ana"), *(f"X-{n}: {'x' * 4000}" for n in range(8))))
        assert answer.status == 431
        assert exchange(world.running.port, request("GET", "/team", f"X: {'x' * (2 << 20)}")).status in (0, 400, 431)

    def test_two_tokens_are_none(self, world: World) -> None:
        """A request that names two callers is nobody's."""
        answer = exchange(world.running.port, request("GET", "/team", world.header("bob"), world.header("ana")))
        assert answer.status == 401

    @pytest.mark.parametrize(
        "head",
        [
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: -5",
            "Content-Length: 5, 6",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: gzip",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
        ],
    )
    def test_a_second_request_is_not_smuggled(self, world: World, head: str) -> None:
        """Where the length of a body is told in two ways or wrongly, what follows is never taken for a request."""
        smuggled = request("GET", "/team", world.header("ana"))
        first = f"POST /team HTTP/1.1\r\nHost: x\r\n{world.header('ana')}\r\nContent-Type: {CONTENT_TYPE}\r\n{head}\r\n\r\n".encode()
        answer = exchange(world.running.port, first + b"0\r\n\r\n" + smuggled)
        assert b"a store of runs" not in answer.body

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff" * 12,
            END[:5],
            END + b"more",
            b"\0\0\0\0\5" + bytes(7),
            (1 << 21).to_bytes(4, "little") + bytes(8),
            (9).to_bytes(4, "little") + (1 << 60).to_bytes(8, "little") + bytes(99),
        ],
    )
    def test_bodies_that_are_no_call(self, world: World, body: bytes) -> None:
        """Every body has an answer, or the end of the connection; the server goes on."""
        head = request("POST", "/team", world.header("ana"), f"Content-Type: {CONTENT_TYPE}", body=body)
        answer = exchange(world.running.port, head)
        assert answer.status in (0, 200, 500)
        assert exchange(world.running.port, request("GET", "/healthz")).status == 200

    def test_a_body_that_ends_too_soon(self, world: World) -> None:
        """A connection that is cut in a call leaves the server as it was."""
        data = call("/team", world.tokens["ana"], Message("push", {"upload": UPLOAD, "frame": 0}))
        with socket.create_connection(("127.0.0.1", world.running.port)) as sock:
            sock.sendall(data[:-20])
        assert exchange(world.running.port, call("/team", world.tokens["bob"], HELLO)).status == 200

    def test_a_head_without_an_end(self, world: World) -> None:
        """A head that never ends is given up."""
        with socket.create_connection(("127.0.0.1", world.running.port)) as sock:
            sock.sendall(b"GET /team HTTP/1.1\r\nHost: x\r\nX: ")
            sock.shutdown(socket.SHUT_WR)
            assert read_response(sock).status in (0, 400)

    def test_an_early_refusal_reaches_who_still_sends(self, world: World) -> None:
        """A peer that is refused in the middle of a long call hears why."""
        endless = (Message("frame", {}, bytes(1 << 16)) for _ in range(2000))
        with world.remote("team", "ana") as remote, pytest.raises(Refused) as refused:
            remote.ask((Message("push", {"upload": UPLOAD, "frame": 0}), *endless))
        assert refused.value.kind == "bad-frame"

    def test_what_is_not_there(self, world: World) -> None:
        """A URL of no store is told from one that cannot be reached."""
        with pytest.raises(NotFound):
            world.remote("none", "root").hello()
