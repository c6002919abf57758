"""Bad input: one line that names the thing, the fact and the next step, the right exit code, and nothing lost."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Result, run_at

CASES = [
    ("malformed JSON", '{"prompt": "a",\n  "model" 1}', "line 2, column 11"),
    ("cut short", '{"prompt": "a"', "line 1, column"),
    ("a key twice", '{"prompt": "a", "prompt": "b"}', "prompt"),
    ("NaN", '{"parameters": {"temperature": NaN}}', "line 1, column"),
    ("Infinity", '{"parameters": {"temperature": 1e999}}', "1e999"),
    ("not UTF-8", b'{"prompt": "\xff"}', "UTF-8"),
    ("a byte order mark", b'\xef\xbb\xbf{"prompt": "a"}', "line 1, column 1: a byte order mark"),
    ("no object", "[1]", "JSON object"),
    ("notes that are an array", '{"notes": [1]}', "notes: an array where an object is due"),
    ("usage that is false", '{"usage": false}', "usage: false where an object is due"),
    ("an actor that is a number", '{"actor": 5}', "actor: a number where a string is due"),
    ("an unknown key", '{"promt": "a"}', "'promt'"),
    ("a slot of another kind", '{"tools": {"a": 1}}', "tools: an object where an array is due"),
    ("settings that are no map", '{"parameters": [1]}', "parameters: an array where an object is due"),
    ("a bad status", '{"status": "fine"}', "'fine'"),
    ("a status that is no text", '{"status": 5}', "5 is no status"),
    ("a bad time", '{"started": "tomorrow-ish"}', "started"),
    ("a cause that is no id", '{"cause": "main"}', "cause: not an id: 'main'"),
    ("a cause of another kind", '{"cause": "tree:' + "0" * 64 + '"}', "cause: tree:00000000…"),
    ("a time beyond all times", '{"started": 1' + "0" * 5000 + "}", "started: a number beyond 64 bits"),
    ("notes that are no map", '{"notes": 1}', "notes"),
    ("an actor that is no text", '{"actor": 1}', "actor"),
    ("a bad ref", '{"ref": "a..b"}', "'a..b' is no ref name"),
    ("a ref that reads as an id", '{"ref": "deadbeef"}', "reads as an id"),
    ("a ref that is a tag", '{"ref": "tags/v1"}', "tags/v1"),
    ("a ref that is no text", '{"ref": 7}', "`ref`"),
    ("too deep", '{"history": [' + "[" * 70 + "]" * 70 + "]}", "history[0]"),
]


@pytest.mark.parametrize(("given", "names"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_run_that_cannot_be_stored_is_refused(filled: Cli, given: str | bytes, names: str) -> None:
    """The message names what is wrong, the exit code is 2, and the store is as it was."""
    before = filled("refs", "--json").out
    refused = filled("add", "-", stdin=given, code=2)
    assert refused.out == ""
    assert refused.err.startswith("error: ")
    assert names in refused.err.splitlines()[0]
    assert hinted(refused)
    assert filled("refs", "--json").out == before
    assert filled("fsck").code == 0


def hinted(result: Result) -> str:
    """Return the hint, which must stand after exactly one line of error."""
    error, hint, *_ = [line for line in result.err.splitlines() if not line.startswith("  ")]
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return hint.removeprefix("hint: ")


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["show", "nothing"], 12, "'nothing'", "runstore refs"),
        (["show", "mian"], 12, "'mian'", "did you mean main?"),
        (["show", "ffff1234"], 12, "ffff1234", "runstore log"),
        (["show", "main~9"], 12, "2 executions before it", "runstore log"),
        (["show", "main^2"], 12, "1 parent", ""),
        (["diff", "main~2"], 12, "no execution before it: its log begins here", "runstore log"),
        (["show", ":prompt"], 2, "nothing stands before ':'", "main:history/0"),
        (["show", "~1"], 2, "nothing stands before '~'", "main~1"),
        (["cat", "main:extra_fields"], 12, "has no field 'extra_fields'", ""),
        (["tag", "heads/v1", "main"], 2, "tags are kept under tags/, not as heads/v1", "v1"),
        (["tag", "remotes/v1", "main"], 2, "tags are kept under tags/", "v1"),
        (["log", "--store", ""], 2, "--store names nothing", "leave --store out"),
        (["--store", "", "add", "--prompt", "hi"], 2, "--store names nothing", "leave --store out"),
        (["show", "main:nothing"], 12, "'nothing'", "it has"),
        (["show", "main", "history/7"], 12, "position 7 is outside history", "1 element"),
        (["show", "a..b"], 2, "range", "for example"),
        (["show", "main:prompt", "history"], 2, "a part already", "write main:prompt or main history"),
        (["log", "--since", "soonish"], 2, "'soonish'", "for example"),
        (["log", "--where", "temperature"], 2, "'temperature'", "slot.path=value"),
        (["grep", "("], 2, "character", "Python"),
        (["grep", "x", "--in", "promt"], 2, "'promt'", "did you mean prompt"),
        (["reflog", "nothing"], 12, "no ref nothing", "runstore refs"),
        (["find"], 2, "one thing", "--blob"),
        (["find", "--value", "{x"], 2, "--value: line 1, column 2", "RFC 8259"),
        (["find", "--value", "7"], 12, "not in the store", "runstore grep"),
        (["find", "main:history/0.content"], 2, "no object of its own", "runstore grep"),
        (["cat", "main:history/0.content", "--body"], 2, "no body", "--body"),
        (["ref", "set", "x", "main", "--expect", "main~1"], 11, "heads/x", "read it again"),
        (["ref", "delete", "nothing"], 12, "nothing", "runstore refs"),
        (["ref", "set", "a b", "main"], 2, "'a b' is no ref name", "for example"),
        (["tag", "x", "nothing"], 12, "'nothing'", ""),
        (["hash", "missing"], 2, "cannot read missing: No such file", ""),
        (["add", "missing.json"], 2, "cannot read missing.json: No such file", ""),
        (["add", "run.json", "--model", "m"], 2, "--model", "into the file, or into options"),
        (["add", "--parameter", "temperature"], 2, "'temperature' is no parameter", "key=value"),
        (["add", "--tools", "."], 2, "cannot read .: Is a directory", ""),
        (["import", "conversations", "missing"], 2, "cannot read missing", ""),
        (["show"], 2, "Missing argument 'REV'", "runstore show --help"),
        (["log", "--limit", "many"], 2, "'many'", "runstore log --help"),
        (["log", "--lmit", "1"], 2, "--lmit", "runstore log --help"),
        (["shwo"], 2, "there is no command 'shwo'; did you mean show?", "runstore --help"),
        (["ref"], 2, "'ref' is the beginning of a command; it goes on with set, delete", "runstore ref --help"),
        (["ref", "delte", "x"], 2, "there is no command 'ref delte'; did you mean ref delete?", "runstore ref --help"),
        (["token", "--name", "x"], 2, "there is no command 'token --name'; it goes on with add, list, remove", "runstore token --help"),
        (["add", "--model"], 2, "'--model' requires an argument", "runstore add --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_named_with_the_next_step(filled: Cli, words: Sequence[str], code: int, error: str, hint: str) -> None:
    """Each mistake has its exit code, a first line that names the thing and the fact, and where there is one, a hint that helps."""
    before = filled("refs", "--json").out
    result = filled(*words, code=code)
    assert result.out == ""
    assert error in result.err.splitlines()[0]
    if hint:
        assert hint in hinted(result)
    assert filled("refs", "--json").out == before


def test_an_ambiguous_prefix_lists_its_candidates(cli: Cli) -> None:
    """Exit code 13; each candidate is told with its kind, its id and a first line that tells it from the others."""
    cli("init")
    seen: dict[str, list[str]] = {}
    number = 0
    while not (found := next((group for group in seen.values() if len(group) > 1), [])):
        lines = "".join(json.dumps({"history": [f"message {number + at}"]}) + "\n" for at in range(200))
        cli("add", "--jsonl", "-", stdin=lines)
        number += 200
        seen = {}
        for line in cli("dump").objects:
            seen.setdefault(line["id"][:4], []).append(line["kind"] + ":" + line["id"])
    prefix = found[0].split(":")[1][:4]
    result = cli("show", prefix, code=13)
    assert f"{len(found)} objects start with {prefix}" in result.err.splitlines()[0]
    listed = [line.split()[0] for line in result.err.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(found)
    assert "write more digits" in result.err


def test_what_reads_makes_no_store(cli: Cli, tmp_path: Path) -> None:
    """Without a store every reading command exits 10, says how to make one, and makes none."""
    for words in (["log"], ["show", "main"], ["refs"], ["stat"], ["fsck"], ["--store", "elsewhere", "log"]):
        assert "runstore init" in hinted(cli(*words, code=10))
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_named_and_is_not_there_is_not_made(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped --store or $RUNSTORE is a mistake for what writes, too."""
    assert "there is no store in typo" in cli("add", "-", "--store", "typo", stdin="{}", code=10).err
    monkeypatch.setenv("RUNSTORE", str(tmp_path / "other"))
    assert "other" in cli("add", "-", stdin="{}", code=10).err
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_is_refused(filled: Cli) -> None:
    """A store that says a later format is left alone: exit code 21."""
    settings = Path(".runstore/runstore.toml")
    settings.write_text(settings.read_text().replace("format = 1", "format = 2"))
    assert "format 2" in filled("log", code=21).err
    assert "newer runstore" in hinted(filled("add", "-", stdin="{}", code=21))


def test_a_damaged_store_returns_nothing_wrong(filled: Cli) -> None:
    """With bytes of the data file overwritten, reading ends with exit code 20 or with what was there, and fsck finds fault."""
    whole = filled("show", "main", "--json").out
    (data,) = Path(".runstore").glob("data-*[0-9]")
    content = bytearray(data.read_bytes())
    magic = content.find(b"\x28\xb5\x2f\xfd")
    while magic >= 0:
        content[magic + 12] ^= 0xFF
        magic = content.find(b"\x28\xb5\x2f\xfd", magic + 4)
    data.write_bytes(bytes(content))
    shown = filled("show", "main", "--json", code=None)
    assert (shown.code, shown.out) == (20, "") or shown.out == whole
    assert filled("fsck", code=20).out


def test_fsck_of_what_cannot_be_opened_names_the_next_step(filled: Cli) -> None:
    """Where not even the first pages can be read, fsck does not send to fsck."""
    file = Path(".runstore", Path(".runstore/CURRENT").read_text().strip())
    content = file.read_bytes()
    file.write_bytes(content[:8192] + bytes(byte ^ 0x55 for byte in content[8192:]))
    assert "hint: bring the store back from a copy" in filled("fsck", code=20).err
    assert "hint: `runstore fsck`" in filled("log", code=20).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_store_can_be_read(filled: Cli) -> None:
    """Without permission to write, reading works and adding ends with exit code 1 and the system's reason."""
    for path in [*Path(".runstore").iterdir(), Path(".runstore")]:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        assert filled("log", "--json").objects
        assert filled("add", "-", stdin="{}", code=1).err.startswith("error: ")
    finally:
        Path(".runstore").chmod(0o700)


def test_nothing_to_add_on_a_terminal_is_a_usage_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`runstore add` alone does not wait for somebody to type JSON: it shows an example."""
    monkeypatch.setattr("runstore.cli.commands.add.is_terminal", lambda: True)
    assert "runstore add --model" in hinted(cli("add", code=2))


def test_init_refuses_a_directory_with_other_things(cli: Cli) -> None:
    """A store is not made among other files; one that is there stays."""
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    assert "notes.txt" in cli("init", "full", code=2).err
    cli("init")
    assert "already" in cli("init").out
    cli.add(**run_at(0))
    cli("init")
    assert len(cli("log", "--json").objects) == 1


def test_a_bad_line_of_many_is_named_once(filled: Cli) -> None:
    """What is wrong in a line of JSON lines is named by the number of the line in the file and the column in it."""
    lines = '{"prompt": "a"}\n{"prompt": \n{"prompt": "b", "prompt": "c"}\n'
    err = filled("add", "--jsonl", stdin=lines, code=3).err
    assert "error: standard input, line 2: column 12: the text ends where a value is due\n" in err
    assert "error: standard input, line 3: column 17: the key 'prompt' stands twice in one object\n" in err


def test_an_empty_ref_name_is_no_default(filled: Cli) -> None:
    """An empty name of a ref is a bad name; only one that is not given stands for the default ref."""
    assert "is no ref name" in filled("add", stdin='{"ref": ""}', code=2).err
    assert "is no ref name" in filled("add", "--model", "m", "--ref", "", code=2).err
    filled("add", stdin='{"ref": null}')


def test_a_slot_that_nothing_has_is_told(filled: Cli) -> None:
    """A log that is empty because a filter names a slot that no run has says so, on stderr, with the slots there are."""
    for words in (["--changed", "promt"], ["--where", "promt.a=1"]):
        told = filled("log", *words)
        assert told.out == ""
        assert told.err == "nothing here has a slot 'promt'\nhint: did you mean prompt?\n"
    assert filled("log", "--changed", "prompt.nothing", "--where", "usage.x=1").err == ""


NO_TEXT = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", NO_TEXT], 12),
        (["log", f"{NO_TEXT}..main"], 12),
        (["find", NO_TEXT], 12),
        (["diff", "main", f"{NO_TEXT}~1"], 12),
        (["ref", "set", "new", NO_TEXT], 12),
        (["ref", "delete", NO_TEXT], 12),
        (["refs", NO_TEXT], 0),
    ],
)
def test_bytes_that_are_no_text_name_nothing(filled: Cli, words: list[str], code: int) -> None:
    """What stands on the command line and is not UTF-8 is no name of anything here."""
    assert "Traceback" not in filled(*words, code=code).err


def test_bytes_on_the_command_line_are_kept_as_bytes(cli: Cli) -> None:
    """A prompt or an output that is not UTF-8 is stored as the bytes that it is, as from a file."""
    cli("init")
    cli("add", "--prompt", NO_TEXT, "--output", NO_TEXT)
    assert cli.raw("cat", "main:output") == b"caf\xe9"


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system takes only UTF-8")
def test_a_store_may_lie_below_a_name_that_is_no_text(cli: Cli) -> None:
    """A directory whose name is not UTF-8 holds a store like any other."""
    cli("init", NO_TEXT)
    cli("--store", NO_TEXT, "add", "--prompt", "hi")
    cli("--store", NO_TEXT, "pack")
    assert cli("--store", NO_TEXT, "cat", "main:prompt").out == '"hi"\n'
