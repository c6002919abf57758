"""Reading where nothing may be written, and beside a writer: no lock is needed and nobody is waited for."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import runstore
from runstore.errors import InvalidInput, Unavailable
from runstore.runs.tables import INDEX_STATE
from tests.cli.conftest import Cli

READING = (
    ("show", "main"),
    ("log",),
    ("log", "--graph"),
    ("diff", "main~1", "main"),
    ("grep", "terse"),
    ("find", "--value", '"You are terse.\\nAnswer in one word."'),
    ("check", "main"),
    ("refs",),
    ("reflog",),
    ("cat", "main"),
    ("ls", "main"),
    ("rev-parse", "main"),
    ("dump",),
    ("stat",),
    ("fsck",),
    ("gc", "--dry-run"),
    ("remote", "list"),
)
_HOLD = """
import sys
import runstore
with runstore.open(sys.argv[1]) as repo, repo.store.write() as writer:
    print("held", flush=True)
    sys.stdin.read()
"""
_PROGRAM = "import sys; from runstore.cli.program import run; sys.exit(run(sys.argv[1:]))"
NOBODY = 65534


@pytest.fixture
def writer(filled: Cli) -> Iterator[Cli]:
    """A store whose write lock is held by another process."""
    held = subprocess.Popen([sys.executable, "-c", _HOLD, ".runstore"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with held:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        yield filled
        held.kill()


@pytest.mark.timeout(20)
def test_reading_waits_for_no_writer(writer: Cli) -> None:
    """Every command that reads answers while another process holds the write lock for as long as it likes."""
    for words in READING:
        assert writer(*words).err.count("error") == 0, words


def _unprivileged() -> list[str]:
    """Return what stands before a command that is to have the rights of its user only; skip where there is no way."""
    if os.geteuid() != 0:
        return []
    found = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    if shutil.which("setpriv") is None or subprocess.run([*found, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root cannot give up its rights here")
    return found


@pytest.fixture
def elsewhere(filled: Cli) -> Iterator[Path]:
    """A store in which nothing may be written; one of somebody else if this user may give things away."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        store = Path(place, "store")
        Path(".runstore").rename(store)
        for path in store.iterdir():
            path.chmod(0o444)
        store.chmod(0o555)
        if os.geteuid() == 0:
            for path in (*store.iterdir(), store):
                os.chown(path, NOBODY, NOBODY)
        yield store
        store.chmod(0o755)


def _run(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [*_unprivileged(), sys.executable, "-c", _PROGRAM, "--store", str(store), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def test_reading_needs_no_right_to_write(elsewhere: Path) -> None:
    """Commands that read work on a store of somebody else whose directory and files may only be read."""
    before = sorted(path.name for path in elsewhere.iterdir())
    for words in (("show", "main"), ("log",), ("fsck",), ("cat", "main")):
        found = _run(elsewhere, *words)
        assert (found.returncode, found.stderr.replace("the store is whole\n", "")) == (0, ""), words
    assert sorted(path.name for path in elsewhere.iterdir()) == before


def test_writing_says_that_it_may_not(elsewhere: Path) -> None:
    """Adding to a store that may only be read fails with one line that says so, and exit code 1."""
    found = _run(elsewhere, "add", "--prompt", "x")
    assert found.returncode == 1
    assert "may not be written" in found.stderr
    assert "hint: " in found.stderr


def test_a_store_that_may_not_be_looked_into(elsewhere: Path) -> None:
    """A directory without the right to look into it is not taken for one without a store."""
    elsewhere.chmod(0o700 if os.geteuid() == 0 else 0)
    found = _run(elsewhere, "log")
    assert (found.returncode, "may not be read" in found.stderr) == (1, True)


def _age(place: str = ".runstore") -> None:
    with runstore.open(place) as repo, repo.store.write() as writer:
        writer.set_value(INDEX_STATE.name, b"version", b"\0\0\0\1")


def test_old_indexes_are_built_anew_before_they_are_read(filled: Cli) -> None:
    """A command that reads says so and builds indexes of an older form anew, once; what it prints is what it printed before."""
    before = filled("log").out
    _age()
    found = filled("log")
    assert (found.out, found.err) == (before, "the indexes had the form of another version, and were built anew\n")
    assert filled("log").err == ""


def test_old_indexes_are_not_read_where_nothing_may_be_written(filled: Cli, elsewhere: Path) -> None:
    """Where they cannot be built anew they are refused, and the next step is named; nothing is changed."""
    elsewhere.chmod(0o755)
    for path in elsewhere.iterdir():
        path.chmod(0o644)
    _age(str(elsewhere))
    for path in (*elsewhere.iterdir(), elsewhere):
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = _run(elsewhere, "log")
    assert found.returncode == 1
    assert f"the indexes of {elsewhere} have the form of another version" in found.stderr
    assert "hint: `runstore reindex`" in found.stderr


def test_what_reads_objects_only_reads_beside_old_indexes(filled: Cli) -> None:
    """`stat` and `dump` work on a store with indexes of an older form, and so does `fsck`, which finds no fault in the objects."""
    _age()
    filled("stat")
    filled("dump")
    filled("fsck", "--fast")


def test_opening_for_reading_only(filled: Cli) -> None:
    """With read_only the library reads, and every verb that writes raises Unavailable."""
    with runstore.open(".runstore", read_only=True, actor="somebody") as repo:
        assert repo.show("main").prompt == "You are terse.\nAnswer in one digit."
        for write in (lambda: repo.add({"prompt": "x"}), repo.undo, repo.pack, repo.reindex):
            with pytest.raises(Unavailable, match="reading only"):
                write()


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    """A store is not made by who only reads."""
    with pytest.raises(InvalidInput):
        runstore.open(tmp_path / "store", create=True, read_only=True)


def test_an_empty_store_is_read(cli: Cli) -> None:
    """A store in which nothing was recorded yet is opened for reading."""
    cli("init")
    assert cli("log").out == ""
