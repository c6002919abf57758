"""Serving and tokens on the command line: what is asked for, what is said, and what is refused before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_json import documented, keys_of
from tests.serve.serving import serving


def test_tokens(cli: Cli) -> None:
    """A token is printed once and alone on stdout; the list shows what it may do, and it can be taken back."""
    made = cli("token", "add", "ana", "--may", "append team", "--may", "read archive main", "--expires", "2030-01-01")
    assert made.out.startswith("rst_")
    assert len(made.lines) == 1
    assert made.out.strip() not in Path("tokens.toml").read_text() + made.err
    assert cli("token", "list").out == "ana  append team; read archive heads/main  until 2030-01-01\n"
    found = cli("token", "list", "--json")
    assert found.json == {"name": "ana", "may": ["append team", "read archive heads/main"], "expires": "2030-01-01"}
    known = documented("token-list")
    assert set(keys_of(found.json, known)) == known.keys()
    cli("token", "remove", "ana")
    assert cli("token", "list").out == ""
    assert cli("token", "remove", "ana", code=12).err.startswith("error: there is no token ana")


@pytest.mark.parametrize("words", [(), ("--may", "own team"), ("--may", "read"), ("--may", "read team", "--expires", "soon")])
def test_a_token_that_makes_no_sense(cli: Cli, words: tuple[str, ...]) -> None:
    """Nothing is written, and the form is shown."""
    assert "hint:" in cli("token", "add", "ana", *words, code=2).err
    assert not Path("tokens.toml").exists()


def test_what_serve_refuses(cli: Cli) -> None:
    """A server that could not serve does not start: no tokens, no store, names that clash, half of TLS, a port that is taken."""
    cli("init", "team")
    cli("init", "more/team")
    assert "token add" in cli("serve", "--http", "0", "team", code=2).err
    assert "token add" in cli("serve", "--http", "0", "--tokens", "none.toml", "team", code=10).err
    cli("token", "add", "ana", "--may", "read *")
    served = ("serve", "--tokens", "tokens.toml")
    assert "two stores" in cli(*served, "--http", "0", "team", "more/team", code=2).err
    assert "healthz" in cli(*served, "--http", "0", "healthz=team", code=2).err
    cli(*served, "--http", "0", "nothing", code=10)
    assert "is no limit" in cli(*served, "--http", "0", "--limit", "speed=1", "team", code=2).err
    assert "TLS" in cli(*served, "--http", "0", "--tls-cert", "c", "team", code=2).err
    assert "address" in cli(*served, "--http", "here", "team", code=2).err
    cli(*served, "--stdio", "team", code=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen" in cli(*served, "--http", str(taken.getsockname()[1]), "team", code=1).err


def test_a_team(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the how-to says it: push from one directory, pull in another, join what went on in both; partial clones are filled up later."""
    cli("init", "team")
    for who in ("ana", "bob"):
        Path(f"{who}.token").write_text(cli("token", "add", who, "--may", "append team").out)
    with serving({"team": tmp_path / "team"}, tmp_path / "tokens.toml") as running:
        url = f"{running.url}/team"
        assert "RUNSTORE_TOKEN" in cli("clone", url, "none", code=21).err
        cli("init", "ana")
        cli("--store", "ana", "add", "--model", "m", "--prompt", "hi", "--output", "one")
        cli("--store", "ana", "remote", "add", "origin", url, "--token-command", f"cat {tmp_path}/ana.token")
        assert (
            cli("--store", "ana", "push", "--dry-run", "--json").json["objects"] == cli("--store", "ana", "push", "--json").json["objects"]
        )
        monkeypatch.setenv("RUNSTORE_TOKEN", Path("bob.token").read_text().strip())
        cli("clone", url, "bob", "--without", "output")
        cli("--store", "bob", "fetch", "--missing")
        for who in ("ana", "bob"):
            cli("--store", who, "add", "--model", "m", "--prompt", "hi", "--output", f"from {who}")
        cli("--store", "bob", "push")
        assert "pull" in cli("--store", "ana", "push", code=11).err
        cli("--store", "ana", "push", "--join")
        assert "|\\" in cli("--store", "ana", "log", "--graph").out
        cli("--store", "bob", "pull")
        tips = {cli("--store", who, "rev-parse", "main").out for who in ("ana", "bob", "team")}
        assert len(tips) == 1
        assert "from bob" in cli("--store", "ana", "log").out + cli("--store", "ana", "grep", "from bob").out
        assert "may not force" in cli("--store", "bob", "push", "origin", "main~2:main", "--force", code=21).err
        assert cli("ls-remote", url).lines[0].endswith("heads/main")
        settings = "".join(Path(who, "runstore.toml").read_text() for who in ("ana", "bob"))
        assert "rst_" not in settings
        reflog = cli("--store", "team", "reflog").out
    assert "ana" in reflog
    assert "bob" in reflog
