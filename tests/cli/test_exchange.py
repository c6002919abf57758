"""The commands of exchange: clone, remote, push, fetch, pull, ls-remote, bundle and serve, as they are typed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runstore.sync.messages import Message, read_call, write_call
from tests.cli.conftest import Cli
from tests.cli.test_json import documented, keys_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pair(cli: Cli) -> Cli:
    """Two stores: `team` with two executions, and `mine`, cloned from it."""
    cli("init", "team")
    for output in ("one", "two"):
        cli("--store", "team", "add", "--model", "m", "--prompt", "hi", "--output", output)
    cli("clone", "team", "mine")
    return cli


def tip(cli: Cli, store: str, ref: str = "main") -> str:
    """Return the id that a ref of a store points at."""
    return cli("--store", store, "rev-parse", ref).lines[0].split(":")[-1]


def say(cli: Cli, store: str, output: str) -> None:
    """Record one more execution."""
    cli("--store", store, "add", "--model", "m", "--prompt", "hi", "--output", output)


def test_a_clone_is_a_store_of_the_same_runs(pair: Cli) -> None:
    """A clone logs what its origin logs, follows it as origin, and says what came."""
    assert pair("--store", "mine", "log", "--oneline", "main").out == pair("--store", "team", "log", "--oneline", "main").out
    (line,) = pair("--store", "mine", "remote", "list").lines
    assert line.split() == ["origin", os.path.abspath("team")]
    assert "objects" in pair("clone", "team", "again").err


def test_push_and_pull(pair: Cli) -> None:
    """What is recorded on one side is on the other after a push or a pull."""
    say(pair, "mine", "three")
    assert pair("--store", "mine", "push").lines[0].split()[0] == "moved"
    assert tip(pair, "team") == tip(pair, "mine")
    say(pair, "team", "four")
    assert pair("--store", "mine", "pull").lines[0].split()[0] == "forward"
    assert tip(pair, "team") == tip(pair, "mine")
    assert pair("--store", "mine", "pull").lines[0].startswith("up to date")


def test_a_push_that_is_no_fast_forward_says_how_to_go_on(pair: Cli) -> None:
    """It exits 11 with the hint to pull; --join does both, and the log shows the join."""
    say(pair, "team", "theirs")
    say(pair, "mine", "ours")
    refused = pair("--store", "mine", "push", code=11)
    assert "hint: `runstore pull` joins them" in refused.err
    named = pair("--store", "mine", "push", "./team", code=11)
    assert "hint: `runstore pull ./team` joins them" in named.err
    pair("--store", "mine", "push", "--join")
    assert tip(pair, "team") == tip(pair, "mine")
    graph = pair("--store", "team", "log", "--graph", "--oneline").out
    assert "merge of 2 logs" in graph
    assert "|\\" in graph


def test_dry_runs_change_nothing(pair: Cli) -> None:
    """clone, push, pull and fetch say what would move."""
    told = pair("clone", "team", "third", "--dry-run", "--json").json
    assert told["objects"] == pair("clone", "team", "fourth", "--json").json["objects"]
    assert [(ref["ref"], ref["state"]) for ref in told["refs"]] == [("remotes/origin/main", "moved")]
    assert "would make" in pair("clone", "team", "third", "--dry-run").err
    assert not Path("third").exists()
    say(pair, "mine", "ours")
    say(pair, "team", "theirs")
    before = pair("--store", "mine", "refs", "--json").out, pair("--store", "team", "refs", "--json").out
    assert pair("--store", "mine", "pull", "--dry-run", "--json").json["objects"] > 0
    assert pair("--store", "mine", "fetch", "--dry-run", "--json").json["dry_run"] is True
    assert pair("--store", "mine", "push", "origin", "main:elsewhere", "--dry-run", "--json").json["objects"] > 0
    assert (pair("--store", "mine", "refs", "--json").out, pair("--store", "team", "refs", "--json").out) == before


def test_refs_by_other_names_and_older_executions(pair: Cli) -> None:
    """REVISION:REF pushes an execution to a ref of another name."""
    pair("--store", "mine", "push", "origin", "main~1:old", "main:copies/main")
    assert tip(pair, "team", "old") == tip(pair, "mine", "main~1")
    assert tip(pair, "team", "copies/main") == tip(pair, "mine")
    pair("--store", "mine", "push", "origin", "none", code=12)


def test_all_and_tags(pair: Cli) -> None:
    """--all pushes every head, --tags every tag; a tag that is there with another target stays."""
    pair("--store", "mine", "add", "--model", "m", "--output", "x", "--ref", "side")
    pair("--store", "mine", "tag", "v1", "main")
    pair("--store", "mine", "push", "--all", "--tags")
    names = {line["name"] for line in pair("--store", "mine", "ls-remote", "--json").objects}
    assert names == {"heads/main", "heads/side", "tags/v1"}


def test_remotes(pair: Cli) -> None:
    """Remotes are added, changed and removed; a URL with a password is refused."""
    pair("--store", "mine", "remote", "add", "copy", "../elsewhere", "--token-command", "pass show x")
    pair("--store", "mine", "remote", "set-url", "copy", "ssh://host/srv/runs")
    assert {line["name"]: line["url"] for line in pair("--store", "mine", "remote", "list", "--json").objects}[
        "copy"
    ] == "ssh://host/srv/runs"
    pair("--store", "mine", "remote", "remove", "copy")
    assert len(pair("--store", "mine", "remote", "list").lines) == 1
    pair("--store", "mine", "remote", "add", "bad", "https://me:secret@host/x", code=2)
    assert "secret" not in Path("mine/runstore.toml").read_text()


def test_bundles(pair: Cli) -> None:
    """A bundle is made, listed, verified, read without a store, cloned, and taken in."""
    pair("--store", "team", "bundle", "create", "all.runs", "--all")
    assert "heads/main" in pair("bundle", "list", "all.runs").out
    pair("bundle", "verify", "all.runs")
    assert pair("--store", "all.runs", "log", "--oneline").out == pair("--store", "team", "log", "--oneline").out
    assert pair("--store", "all.runs", "show", "main~1").out == pair("--store", "team", "show", "main~1").out
    pair("clone", "all.runs", "copied")
    assert tip(pair, "copied") == tip(pair, "team")
    base = tip(pair, "team")
    say(pair, "team", "new")
    pair("--store", "team", "bundle", "create", "new.runs", "--after", base)
    pair("--store", "mine", "bundle", "unbundle", "new.runs")
    assert tip(pair, "mine") == tip(pair, "team")
    pair("--store", "all.runs", "add", "--model", "m", code=1)


def test_a_damaged_bundle_is_refused(pair: Cli) -> None:
    """A flipped bit ends in exit code 21, for verifying, cloning and taking in, and nothing is made."""
    pair("--store", "team", "bundle", "create", "all.runs", "--all")
    data = bytearray(Path("all.runs").read_bytes())
    data[len(data) // 2] ^= 1
    Path("all.runs").write_bytes(data)
    pair("bundle", "verify", "all.runs", code=21)
    pair("clone", "all.runs", "copied", code=None)
    assert not Path("copied").exists()


def test_a_clone_that_fails_leaves_what_was_there(pair: Cli) -> None:
    """A directory with other things in it is not touched, and no store is left behind where the remote has none."""
    Path("full").mkdir()
    Path("full/precious").write_text("data")
    pair("clone", "team", "full", code=2)
    assert Path("full/precious").read_text() == "data"
    pair("clone", "nowhere", "made", code=10)
    assert not Path("made").exists()


def test_partial_clones(pair: Cli) -> None:
    """What was left out shows as promised, is no damage, and comes with fetch --missing."""
    pair("clone", "team", "light", "--without", "output")
    assert "promised" in pair("--store", "light", "show", "main").out
    assert "(not here)" in pair("--store", "light", "log", "--oneline").out
    pair("--store", "light", "fsck")
    pair("--store", "light", "fetch", "--missing")
    assert pair("--store", "light", "show", "main").out == pair("--store", "team", "show", "main").out
    pair("clone", "team", "lean", "--without", "output")
    say(pair, "team", "three")
    pair("--store", "lean", "pull")
    assert "promised" in pair("--store", "lean", "show", "main").out
    pair("clone", "team", "shallow", "--depth", "1")
    assert len(pair("--store", "shallow", "log", "--oneline").lines) == 1


def test_serve_needs_to_be_told_how(pair: Cli) -> None:
    """Without a way to be reached, serve is a mistake."""
    assert "--stdio" in pair("serve", "team", code=2).err


def test_serve_stdio_answers_calls(pair: Cli) -> None:
    """The process that ssh would start answers a call on its standard streams, and ends with them."""
    call = io.BytesIO()
    write_call(call, [Message("hello", {"version": 1, "prefixes": ["heads/"]})])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "runstore", "serve", "--stdio", "team"],
        input=call.getvalue(),
        capture_output=True,
        env=environment,
        check=True,
    )
    answer = list(read_call(io.BytesIO(done.stdout)))
    assert [message.name for message in answer] == ["hello", "refs"]


def test_what_is_printed_is_documented(pair: Cli) -> None:
    """The keys of every command of exchange with --json are those on the page."""
    say(pair, "mine", "three")
    pair("--store", "mine", "tag", "v1", "main")
    lines: dict[str, Any] = {
        "push": "--store mine push origin main --tags --json",
        "pull": "--store mine pull --json",
        "fetch": "--store mine fetch --json",
        "ls-remote": "--store mine ls-remote --json",
        "remote-list": "--store mine remote list --json",
        "bundle-create": "--store mine bundle create all.runs --all --json",
        "bundle-list": "bundle list all.runs --json",
        "clone": "clone team third --json",
    }
    for name, words in lines.items():
        known = documented(name)
        occurring = {key for one in pair(*words.split()).objects for key in keys_of(one, known)}
        assert occurring <= known.keys(), name
        assert known.keys() - occurring <= {key for key in known if key.endswith(".old")}, name
