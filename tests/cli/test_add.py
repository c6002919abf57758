"""`runstore add`: runs as JSON, by options and in bulk."""

import json
import os
import pwd
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, run_at


def test_a_run_from_a_file_is_recorded_and_its_id_printed(cli: Cli) -> None:
    """One JSON object makes one execution on the default ref; stdout holds the run's id and nothing else."""
    Path("run.json").write_text(json.dumps(run_at(0)))
    added = cli("add", "run.json")
    assert len(added.lines) == 1
    assert cli("rev-parse", "main^{run}").out == added.out


def test_what_writes_makes_the_default_store_and_says_where(cli: Cli, tmp_path: Path) -> None:
    """Adding without a store makes ./.runstore and names it on stderr."""
    added = cli("add", "-", stdin="{}")
    assert f"made a store in {tmp_path}/.runstore" in added.err
    assert (tmp_path / ".runstore" / ".gitignore").read_text() == "*\n"


def test_json_tells_all_ids(cli: Cli) -> None:
    """With --json the run, request and execution are given in full, and adding the same again finds its objects stored."""
    first = cli.add(**run_at(0, nonce="x"))
    again = cli.add(**run_at(0, nonce="y"))
    assert first["run"] == again["run"] != first["request"] == again["request"]
    assert first["execution"] != again["execution"]
    assert first["ref"] == "heads/main"
    assert first["new_objects"] > again["new_objects"] == 1


def test_null_is_unknown_and_false_is_absent(cli: Cli) -> None:
    """What is null or left out is unknown; what is false is known to be nothing; both are told apart from an empty list."""
    cli.add(prompt=None, documents=False, tools=[])
    slots = cli("show", "main", "--json").json["slots"]
    states = {name: slots[name]["state"] for name in ("model", "prompt", "documents", "tools")}
    assert states == {"model": "unknown", "prompt": "unknown", "documents": "absent", "tools": "present"}


def test_options_say_the_same_as_json(cli: Cli) -> None:
    """A run put together from options has the id of the run that the same JSON gives."""
    Path("policy.txt").write_text("Be kind.\n")
    Path("facts.json").write_text('{"title": "Facts"}')
    Path("tools.json").write_text('[{"name": "add"}]')
    Path("history.json").write_text('[{"role": "user", "content": "hi"}]')
    Path("runtime.json").write_text('{"engine": "e"}')
    Path("prompt.txt").write_text("Be terse.")
    words = ["--model", "m", "--prompt", "@prompt.txt", "--parameter", "temperature=0.5", "--parameter", "stop=END", "--output", "hello"]
    words += ["--document", "policy.txt", "--document", "facts.json", "--tools", "tools.json", "--history", "history.json"]
    by_options = cli("add", *words, "--runtime", "runtime.json", "--ref", "work").out
    by_json = cli.add(
        model={"name": "m"},
        prompt="Be terse.",
        parameters={"temperature": 0.5, "stop": "END"},
        documents=["Be kind.\n", {"title": "Facts"}],
        tools=[{"name": "add"}],
        history=[{"role": "user", "content": "hi"}],
        runtime={"engine": "e"},
    )
    assert by_options.strip() == by_json["run"]
    assert cli("cat", "work:output").json == "hello"


def test_the_ref_comes_from_the_run_then_the_option_then_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's own `ref` wins over --ref, that over $RUNSTORE_REF, and without any of them it is main."""
    monkeypatch.setenv("RUNSTORE_REF", "from-environment")
    assert cli("add", "-", "--json", "--ref", "b", stdin='{"ref": "a"}').json["ref"] == "heads/a"
    assert cli("add", "-", "--json", "--ref", "b", stdin="{}").json["ref"] == "heads/b"
    assert cli("add", "-", "--json", stdin="{}").json["ref"] == "heads/from-environment"
    monkeypatch.delenv("RUNSTORE_REF")
    assert cli("add", "-", "--json", stdin="{}").json["ref"] == "heads/main"


def test_the_actor_comes_from_the_option_then_the_environment(cli: Cli) -> None:
    """--actor wins over $RUNSTORE_ACTOR, before and after the command."""
    cli("add", "-", stdin="{}")
    cli("--actor", "one", "add", "-", stdin="{}")
    cli("--actor", "one", "add", "-", "--actor", "two", stdin="{}")
    assert [entry["actor"] for entry in cli("log", "--json").objects] == ["two", "one", "tester"]


def test_the_store_says_the_ref_and_the_actor_where_nothing_else_does(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runstore.toml says comes after options and environment, and before main and user@host."""
    cli("init", "--actor", "the store")
    with Path(".runstore/runstore.toml").open("a") as settings:
        settings.write('default_ref = "everyday"\n')
    monkeypatch.delenv("RUNSTORE_ACTOR")
    cli("add", stdin="{}")
    monkeypatch.setenv("RUNSTORE_REF", "mine")
    monkeypatch.setenv("RUNSTORE_ACTOR", "me")
    cli("add", stdin="{}")
    found = [(entry["refs"], entry["actor"]) for entry in cli("log", "--json").objects]
    assert found == [(["mine"], "me"), (["everyday"], "the store")]
    Path(".runstore/runstore.toml").write_text("format = 1\n")
    monkeypatch.delenv("RUNSTORE_ACTOR")
    monkeypatch.delenv("RUNSTORE_REF")
    assert cli("add", "--json", stdin="{}").json["ref"] == "heads/main"
    assert cli("show", "main", "actor").out == f"{pwd.getpwuid(os.getuid()).pw_name}@{os.uname().nodename}\n"


def test_bytes_become_blobs(cli: Cli) -> None:
    """A document or an output that is no UTF-8 is kept byte for byte."""
    Path("image.png").write_bytes(b"\x89PNG\x00\xff")
    cli("add", "--document", "image.png", "--output", "@image.png")
    assert cli("cat", "main:output", "--json").json["id"] == cli("hash", "image.png").out.strip()
    places = {use["place"] for use in cli("find", "--blob", "image.png", "--json").objects}
    assert places == {"documents/0", "output"}


def test_a_cause_is_named_by_its_id(cli: Cli) -> None:
    """The execution that led to this one is stated as the id that `add` printed for it, with or without its kind."""
    first = cli.add(nonce="a")["execution"]
    for number, text in enumerate((first, f"execution:{first}")):
        cli.add(nonce=str(number), cause=text)
        assert cli("show", "@", "--json").json["execution"]["cause"] == f"execution:{first}"


def test_lines_are_added_in_bulk(cli: Cli) -> None:
    """--jsonl records a run a line in the order of the file, printing an id a line, and counts them on stderr."""
    lines = "".join(json.dumps(run_at(number, nonce=str(number))) + "\n" for number in range(3))
    added = cli("add", "--jsonl", "-", stdin=lines + "\n")
    assert len(added.lines) == 3
    assert "added 3 executions" in added.err
    assert [entry["nonce"] for entry in cli("log", "--json").objects] == ["2", "1", "0"]


def test_bad_lines_are_named_and_skipped(cli: Cli) -> None:
    """Malformed lines, unknown keys and values that cannot be stored are named by number; all others are recorded; exit code 3."""
    good = json.dumps(run_at(0))
    bad = ["{", '{"modle": 1}', '{"status": "odd"}', '{"started": "soon"}', "[]", '{"a": 1, "a": 2}']
    Path("runs.jsonl").write_text("\n".join([good, *bad, good]))
    added = cli("add", "--jsonl", "runs.jsonl", "--json", code=3)
    assert len(added.objects) == 2
    assert [int(line.split("line ")[1].split(":")[0]) for line in added.err.splitlines() if line.startswith("error:")] == [2, 3, 4, 5, 6, 7]
    assert "added 2 executions, skipped 6 lines" in added.err
    assert len(cli("log", "--json").objects) == 2


def test_a_compressed_file_that_is_cut_short_is_told(cli: Cli) -> None:
    """The lines before the cut are recorded, the line at which it ends is named, and the exit code is 3."""
    import zstandard

    text = "".join(json.dumps(run_at(number, nonce=str(number))) + "\n" for number in range(3)).encode()
    whole = zstandard.compress(text[:-20], 1) + zstandard.compress(text[-20:], 1)
    Path("runs.jsonl.zst").write_bytes(whole[:-1])
    added = cli("add", "--jsonl", "runs.jsonl.zst", code=3)
    assert len(added.lines) == 2
    assert "error: runs.jsonl.zst, line 3: not a whole zstd stream: it is cut short\n" in added.err
    Path("runs.jsonl.zst").write_bytes(whole[:20])
    assert "added 0 executions, skipped 1 line" in cli("add", "--jsonl", "runs.jsonl.zst", code=3).err
