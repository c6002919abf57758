"""The program as a process: pipes, signals, full disks, and what it loads."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

PROGRAM = [sys.executable, "-m", "runstore"]


@pytest.fixture
def process(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A store with three executions, for processes of their own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    return filled


def test_the_module_is_the_program(process: Cli) -> None:
    """`python -m runstore` prints what the function prints, data on stdout and talk on stderr."""
    found = subprocess.run([*PROGRAM, "log", "--json"], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == (process("log", "--json").out, "")


def test_bytes_come_through_a_pipe_unchanged(process: Cli) -> None:
    """Standard input to `add`, a blob out of `cat`."""
    content = bytes(range(256)) * 100
    Path("file").write_bytes(content)
    subprocess.run([*PROGRAM, "add", "--output", "@file"], check=True, capture_output=True)
    assert subprocess.run([*PROGRAM, "cat", "main:output"], check=True, capture_output=True).stdout == content


def test_a_reader_that_goes_away_is_no_failure(process: Cli) -> None:
    """`runstore dump | head -n 1` ends quietly with exit code 0."""
    lines = "".join(json.dumps({"prompt": f"{'x' * 2000} {number}"}) + "\n" for number in range(300))
    process("add", "--jsonl", "-", stdin=lines)
    with subprocess.Popen([*PROGRAM, "dump"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
        assert dump.stdout is not None
        assert dump.stderr is not None
        dump.stdout.readline()
        dump.stdout.close()
        assert dump.stderr.read() == b""
        assert dump.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_cannot_be_written_is_a_failure(process: Cli) -> None:
    """Where the disk under stdout is full, the exit code is 1 and the reason is told."""
    with open("/dev/full", "w") as full:
        found = subprocess.run([*PROGRAM, "log"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr == "error: the system refused: No space left on device\n"


@pytest.mark.parametrize(
    ("streams", "words", "code"),
    [((1,), ["log"], 0), ((2,), ["show", "nowhere"], 12), ((0,), ["add"], 2), ((0, 1, 2), ["add", "--prompt", "hi"], 0)],
)
def test_standard_streams_may_be_closed(process: Cli, streams: tuple[int, ...], words: list[str], code: int) -> None:
    """A program that is started with closed streams reads and writes nothing there, and no file of the store gets their numbers."""
    closed = " ".join(f"{number}>&-" for number in streams)
    found = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, *words], capture_output=True, check=False)
    assert found.returncode == code, found
    assert b"Traceback" not in found.stdout + found.stderr
    process("fsck")


def test_json_is_json_in_every_encoding(process: Cli) -> None:
    """Where stdout cannot hold a character, JSON has an escape of its own for it."""
    text = "é 日 😀"
    process.add(prompt=text)
    for words in (["show", "main", "--json"], ["cat", "main:prompt"]):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        found = subprocess.run([*PROGRAM, *words], capture_output=True, env=environment, check=True)
        said = json.loads(found.stdout.decode("ascii"))
        assert (said if isinstance(said, str) else said["slots"]["prompt"]["value"]) == text


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let programs be interrupted: one that is started where SIGINT is ignored, as behind `&` in a script, ignores it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_with_130_and_without_a_traceback(process: Cli, interruptible: None) -> None:
    """An interrupted add has recorded nothing, says so in one word, and the store is sound."""
    with subprocess.Popen([*PROGRAM, "add", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as add:
        assert add.stdin is not None
        assert add.stderr is not None
        add.stdin.write(b'{"prompt": ')
        add.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            add.wait(timeout=1)
        add.send_signal(signal.SIGINT)
        assert add.wait(timeout=60) == 130
        assert add.stderr.read() == b"interrupted\n"
    assert len(process("log", "--json").objects) == 3
    process("fsck")


def test_an_interrupted_bulk_says_how_far_it_came(process: Cli, interruptible: None) -> None:
    """What was recorded stands, and the line is named after which the rest is to be added."""
    command = [*PROGRAM, "add", "--jsonl", "-", "--ref", "bulk"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as add:
        assert add.stdin is not None
        assert add.stdout is not None
        assert add.stderr is not None
        add.stdin.write(b"\n" + b'{"prompt": "hi"}\n' * 510)
        add.stdin.flush()
        while not process("log", "bulk", "--json", code=None).out:
            assert add.poll() is None
        add.send_signal(signal.SIGINT)
        assert add.stderr.read() == b"stopped after line 501: 500 executions added\ninterrupted\n"
        add.stdout.read()
        assert add.wait(timeout=60) == 130


def test_the_store_is_found_from_below(process: Cli, tmp_path: Path) -> None:
    """The nearest .runstore upward is used; --store and $RUNSTORE name another."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = subprocess.run([*PROGRAM, "rev-parse", "main"], capture_output=True, text=True, check=True, cwd=below)
    assert found.stdout == process("rev-parse", "main").out
    process("init", str(tmp_path / "other"))
    environment = {**os.environ, "RUNSTORE": str(tmp_path / "other")}
    empty = subprocess.run([*PROGRAM, "log"], capture_output=True, text=True, check=True, env=environment)
    assert empty.stdout == ""
    assert subprocess.run([*PROGRAM, "log", "--store", ".runstore"], capture_output=True, check=True, env=environment).stdout


# What each would add to the start of every command; click alone doubles it.
HEAVY = (
    "click",
    "inspect",
    "dataclasses",
    "asyncio",
    "subprocess",
    "importlib.metadata",
    "tomllib",
    "difflib",
    "textwrap",
    "httpx",
    "rich",
    "logging",
)


@pytest.mark.parametrize("words", ["show main", "log", "rev-parse main", "cat main:prompt"])
def test_reading_loads_only_what_it_needs(process: Cli, words: str) -> None:
    """Neither click nor the heavy parts of the standard library are imported on the way to the output."""
    code = (
        "import sys; before = set(sys.modules); from runstore.cli.program import run; "
        f"assert run({words.split()!r}) == 0; print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(found.stderr.split()) & set(HEAVY) == set()
