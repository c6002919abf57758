"""A real terminal: colour, the pager and progress, and none of them in a pipe."""

import os
import pty
import re
import select
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, run_at

ROWS = 10
COLUMNS = 100


def on_terminal(*words: str, **variables: str) -> tuple[int, str]:
    """Run a command line on a terminal of ten rows; return its exit code and all that the terminal got."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm", **variables}
        environment.pop("COLUMNS", None)
        os.execve(sys.executable, [sys.executable, "-m", "runstore", *words], environment)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    got = bytearray()
    while select.select([terminal], [], [], 30)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side has closed
            break
        if not piece:
            break
        got += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), got.decode().replace("\r\n", "\n")


@pytest.fixture
def terminal(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A store with three executions, for processes of their own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("PAGER", "cat")
    return filled


def test_colour_on_a_terminal_is_only_colour(terminal: Cli) -> None:
    """With the colours taken out, a terminal shows what a pipe of its width gets."""
    code, shown = on_terminal("log", "--oneline")
    assert code == 0
    assert "\x1b[33m" in shown
    piped = terminal("log", "--oneline")
    assert "\x1b" not in piped.out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert [line.split()[0] for line in plain.splitlines()] == [line.split()[0] for line in piped.lines]
    assert max(map(len, plain.splitlines())) <= COLUMNS


def test_long_lines_of_a_difference_break_between_words(terminal: Cli) -> None:
    """On a terminal no line of `diff` is wider than it, and no word is cut; in a pipe lines stay as they are."""
    long = "A loan can be renewed twice, and a film may be kept for one week and cannot be renewed at all by anybody whatsoever."
    terminal.add("w", prompt="Short.", nonce="1")
    terminal.add("w", prompt=long, nonce="2")
    terminal.add("w", prompt=long.replace("twice", "thrice") + " Not even by the director of the library.", nonce="3")
    for revision in ("w", "w~1"):
        _, shown = on_terminal("diff", revision, NO_COLOR="1")
        assert max(map(len, shown.splitlines())) <= COLUMNS
        assert " ".join(shown.split()) == " ".join(terminal("diff", revision).out.split())
    assert f"  +{long}" in terminal("diff", "w~1").lines


def test_no_color_is_respected(terminal: Cli) -> None:
    """NO_COLOR turns every escape sequence off."""
    assert "\x1b" not in on_terminal("show", "main", NO_COLOR="1")[1]


def test_what_is_longer_than_the_screen_goes_through_the_pager(terminal: Cli, tmp_path: Path) -> None:
    """A long log is piped into $PAGER; a short one is not, and JSON never is."""
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    for number in range(3, 12):
        terminal.add(**run_at(number))
    code, shown = on_terminal("log", "--oneline", PAGER=str(pager))
    assert (code, shown.count("PAGED"), shown.count("→")) == (0, 1, 24)
    assert "PAGED" not in on_terminal("log", "--oneline", "-n", "3", PAGER=str(pager))[1]
    assert "PAGED" not in on_terminal("log", "--json", PAGER=str(pager))[1]


def test_a_pager_that_is_left_early_ends_the_command(terminal: Cli, tmp_path: Path) -> None:
    """Who has seen enough leaves the pager: no message, exit code 0; a pager that is not there is done without."""
    for number in range(3, 40):
        terminal.add(**run_at(number))
    code, shown = on_terminal("log", PAGER="head -n 1")
    assert (code, "error" in shown, "Traceback" in shown) == (0, False, False)
    code, shown = on_terminal("log", "--oneline", PAGER="no-such-program")
    assert (code, shown.count("\n")) == (0, 40)


def test_bytes_are_made_safe_on_a_terminal_and_left_alone_in_a_pipe(terminal: Cli) -> None:
    """`cat` of a blob never lets a terminal obey what is in it."""
    Path("evil").write_bytes(b"\x1b]0;pwned\x07\xff")
    terminal("add", "--output", "@evil")
    shown = on_terminal("cat", "main:output")[1]
    assert "\x1b" not in shown
    assert "\\x1b]0;pwned\\x07\\xff" in shown
    assert terminal.raw("cat", "main:output") == b"\x1b]0;pwned\x07\xff"


def test_progress_of_a_transfer(terminal: Cli) -> None:
    """A clone draws bytes and objects, also while it checks what has come, and leaves only the sum behind; in a pipe it draws nothing."""
    import json

    Path("runs.jsonl").write_text("".join(json.dumps(run_at(number, nonce=f"n{number}")) + "\n" for number in range(3000)))
    terminal("--store", "many", "init")
    terminal("--store", "many", "add", "--jsonl", "runs.jsonl")
    code, shown = on_terminal("clone", "many", "copy")
    assert code == 0
    assert re.search(r"\r\x1b\[Kcloning  [0-9.]+ [kM]?B  [0-9,]+ objects", shown)
    assert "made a store in" in shown.rpartition("\x1b[K")[2]
    assert "\x1b" not in terminal("clone", "many", "other").err


def test_progress_is_shown_and_wiped(terminal: Cli) -> None:
    """Bulk adding draws a line over itself and leaves only the count behind."""
    import json

    Path("runs.jsonl").write_text("".join(json.dumps(run_at(number, nonce=f"n{number}")) + "\n" for number in range(3000)))
    code, shown = on_terminal("add", "--jsonl", "runs.jsonl")
    assert code == 0
    drawn = re.findall(r"\r\x1b\[Kadding +(\d+)%", shown)
    assert not drawn or sorted(map(int, drawn)) == list(map(int, drawn))
    assert shown.splitlines()[-1].endswith("added 3,000 executions")
