"""`runstore exec`: unmodified programs, their children, their signals and their ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import runstore
from runstore.capture.fake.server import Provider
from runstore.errors import InvalidInput
from tests.capture.recordings import ROOT, RUNSTORE, executions, program

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'runstore[capture]'")

ASK = """
import os, sys
import httpx
def ask(text, model="small-1", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(os.environ["FAKE"] + "/v1/chat/completions", json=body)
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A fake provider, named to programs by their environment."""
    with Provider() as made:
        os.environ["FAKE"] = made.url
        yield made
        del os.environ["FAKE"]


@pytest.fixture(autouse=True)
def _asked(provider: Provider) -> None:
    provider.served.clear()


def texts(store: Path) -> list[str]:
    """What was asked, in the order of recording."""
    return [json.loads(found.sent)["messages"][0]["content"] for found in executions(store)]


def test_an_unmodified_program_is_recorded(tmp_path: Path) -> None:
    """One command records every call, says so in one line, and leaves output and exit code alone."""
    done = program(tmp_path, ASK + "ask('one'); print(ask('two').status_code); sys.exit(7)", options=("--ref", "app", "--session", "s1"))
    assert (done.returncode, done.stdout) == (7, "200\n")
    assert done.stderr == "recorded 2 executions (2 ok) on app: `runstore log --session s1`\n"
    assert texts(tmp_path / "store") == ["one", "two"]
    assert {found.notes["session"] for found in executions(tmp_path / "store")} == {"s1"}


def test_the_sessions_of_the_program_are_those_that_are_told(tmp_path: Path) -> None:
    """The command in the last line finds what was recorded, whoever named the session."""
    named = ASK + "import runstore\nwith runstore.record(session='own'): ask('one')\n"
    done = program(tmp_path, named)
    assert done.stderr.endswith("on main: `runstore log --session own`\n")
    done = program(tmp_path, named + "ask('two')")
    assert done.stderr.endswith("on main: `runstore log --oneline`\n")


def test_a_program_without_calls_is_told_so(tmp_path: Path) -> None:
    """Nothing recorded is said, not passed over."""
    assert program(tmp_path, "pass").stderr.startswith("recorded nothing")


def test_what_the_program_says_itself_counts(tmp_path: Path) -> None:
    """`record` inside names ref and scope; `instrument` inside changes nothing."""
    text = """
import runstore
runstore.instrument("elsewhere")
with runstore.record("named", scope="agent"):
    ask("one")
runstore.uninstrument()
ask("two")
"""
    done = program(tmp_path, ASK + text, options=("--ref", "app", "--session", "s1"))
    assert "on app and named" in done.stderr
    one, two = executions(tmp_path / "store")
    assert (one.notes, two.notes) == ({"session": "s1", "scope": "agent"}, {"session": "s1"})
    assert not Path("elsewhere").exists()


_CHILDREN = """
import multiprocessing, subprocess
if __name__ == "__main__":
    ask("parent")
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        child = context.Process(target=ask, args=(method,))
        child.start(); child.join()
    subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import program; program.ask('subprocess')",
                    os.path.dirname(os.path.abspath(__file__))], check=True)
    pid = os.fork()
    if not pid:
        ask("bare fork")
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_children_are_recorded(tmp_path: Path) -> None:
    """Forked, spawned and started anew: what they ask is recorded too."""
    done = program(tmp_path, ASK + _CHILDREN)
    assert done.returncode == 0, done.stderr
    assert sorted(texts(tmp_path / "store")) == ["bare fork", "fork", "parent", "spawn", "subprocess"]


def test_a_sitecustomize_of_the_programs_own_is_loaded(tmp_path: Path) -> None:
    """Python finds ours first; the one that was there is loaded after it, and the path is the program's."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text("import builtins; builtins.loaded = 'theirs'")
    text = "import sys, sitecustomize; print(loaded, sitecustomize.__file__, any('inject' in one for one in sys.path))"
    done = program(tmp_path, text, env={"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"})
    assert done.stdout == f"theirs {place / 'sitecustomize.py'} False\n"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """As a shell does: 127, and 126 for what may not be run."""
    runstore.open(tmp_path / "store", create=True).close()
    command = [*RUNSTORE, "--store", str(tmp_path / "store"), "exec"]
    missing = subprocess.run([*command, "no-such-program"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (missing.returncode, missing.stderr.splitlines()[0]) == (127, "error: there is no program 'no-such-program'")
    file = tmp_path / "plain"
    file.write_text("")
    assert subprocess.run([*command, str(file)], capture_output=True, check=False, cwd=ROOT).returncode == 126


_SIGNALLED = """
import signal, time
def stop(number, frame):
    ask("stopping")
    sys.exit(5)
signal.signal(signal.SIGTERM, stop)
ask("begun")
print("ready", flush=True)
time.sleep(30)
"""


def started(tmp_path: Path, text: str, *options: str) -> subprocess.Popen[str]:
    """Begin a program under `runstore exec`, and wait until it says that it is ready."""
    (tmp_path / "program.py").write_text(text)
    store = tmp_path / "store"
    runstore.open(store, create=True).close()
    process = subprocess.Popen(
        [*RUNSTORE, "--store", str(store), "exec", *options, "--", sys.executable, str(tmp_path / "program.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_signals_go_on_to_the_program(tmp_path: Path) -> None:
    """A SIGTERM reaches the program, whose own end is what comes back."""
    process = started(tmp_path, ASK + _SIGNALLED)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 5
    assert texts(tmp_path / "store") == ["begun", "stopping"]


def test_a_program_that_a_signal_ended(tmp_path: Path) -> None:
    """128 and the signal's number; what was recorded before stands."""
    done = program(tmp_path, ASK + "ask('one'); os.kill(os.getpid(), 9)")
    assert done.returncode == 137
    assert texts(tmp_path / "store") == ["one"]


_KILLED = """
import signal
for number in range(1000):
    ask(str(number))
    print(number, flush=True)
"""


def killed(tmp_path: Path, after: float) -> tuple[list[str], list[str]]:
    """Kill a recording program and whoever records it; return what it was told had returned, and what the store has."""
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "program.py").write_text(ASK + "print('ready', flush=True)" + _KILLED)
    store = tmp_path / "store"
    runstore.open(store, create=True).close()
    command = f"import runstore; runstore.instrument({str(store)!r}, background=False); exec(open({str(tmp_path / 'program.py')!r}).read())"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    said = process.communicate(timeout=20)[0].split()
    return said, texts(store)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15])
def test_kill_after_return_loses_nothing(tmp_path: Path, after: float) -> None:
    """What had returned when the process was killed is in the store."""
    said, kept = killed(tmp_path, after)
    assert kept[: len(said)] == said
    assert len(kept) <= len(said) + 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_after_return_loses_nothing_two_hundred_times(tmp_path: Path) -> None:
    """Two hundred trials at different moments: no call that had returned is lost."""
    lost = []
    for trial in range(200):
        said, kept = killed(tmp_path / str(trial), 0.001 * (trial % 100))
        lost += [number for number in said if number not in kept]
    assert lost == []


_STRICT = """
import threading, time
threading.Thread(target=lambda: ask("word " * 100, model="slow", stream=True), daemon=True).start()
time.sleep(0.4)
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_request_that_nobody_answered_any_more_is_interrupted(tmp_path: Path) -> None:
    """With `--strict` the request is journalled first: killed while it waits for the answer, it is an interrupted execution."""
    done = program(tmp_path, ASK + "ask('one')" + _STRICT, options=("--strict",))
    assert done.returncode == 137
    assert "(1 ok, 1 interrupted)" in done.stderr
    assert [found.status for found in executions(tmp_path / "store")] == ["ok", "interrupted"]


def test_a_python_that_cannot_load_us_runs_all_the_same(tmp_path: Path) -> None:
    """A failure of ours is one line; the program does what it does."""
    text = "print('ran')"
    done = program(tmp_path, text, env={"RUNSTORE_TAP": "x"})
    assert done.stdout == "ran\n"
    broken = {**os.environ, "PYTHONPATH": str(ROOT / "runstore/capture/inject"), "RUNSTORE_TAP": "no json"}
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, env=broken)
    assert found.stdout == "ran\n"
    assert found.stderr.startswith("runstore: this process is not recorded: JSONDecodeError")


def test_a_program_is_recorded_into_a_bucket(tmp_path: Path) -> None:
    """With the URL of a bucket for a store, what the program asked is in the bucket when the command has ended."""
    url = f"dir://{tmp_path / 'bucket'}"
    runstore.open(url, create=True, cache=tmp_path / "one").close()
    file = tmp_path / "program.py"
    file.write_text(ASK + "ask('one'); ask('two')")
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "RUNSTORE_CACHE": str(tmp_path / "one")}
    command = [*RUNSTORE, "--store", url, "exec", "--ref", "app", "--", sys.executable, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=60, check=True)
    assert done.stderr.startswith("recorded 2 executions (2 ok) on app")
    with runstore.open(url, read_only=True, cache=tmp_path / "other") as repo:
        assert len(list(repo.log("app"))) == 2


def test_a_bucket_that_is_away_does_not_stop_the_program(tmp_path: Path) -> None:
    """The program runs and its exit code is returned; what it asked is kept, that it is not there is said, and it goes there later."""
    bucket = tmp_path / "bucket"
    url = f"dir://{bucket}"
    with runstore.open(url, create=True, cache=tmp_path / "one") as repo:
        repo.add({"prompt": "first"})
    bucket.rename(tmp_path / "aside")
    bucket.symlink_to(bucket)  # opening a file below it is an error that does not say "missing"
    file = tmp_path / "program.py"
    file.write_text(ASK + "ask('one'); sys.exit(7)")
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "RUNSTORE_CACHE": str(tmp_path / "one")}
    command = [*RUNSTORE, "--store", url, "exec", "--ref", "app", "--", sys.executable, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=60, check=False)
    assert done.returncode == 7
    warning, recorded, error, hint = done.stderr.splitlines()
    assert warning.startswith("warning: going on with what this machine has")
    assert recorded.startswith("recorded 1 execution (1 ok) on app")
    assert error.startswith(f"error: not all runs have reached {url}")
    assert "kept on this machine" in hint
    bucket.unlink()
    (tmp_path / "aside").rename(bucket)
    runstore.open(url, cache=tmp_path / "one").close()
    with runstore.open(url, read_only=True, cache=tmp_path / "other") as repo:
        assert len(list(repo.log("app"))) == 1


def test_a_call_that_is_refused_was_seen(tmp_path: Path) -> None:
    """Where calls with a secret are refused, recording nothing is not said to be for want of calls."""
    done = program(tmp_path, ASK + "ask('sk-proj-' + 'aB3dE6gH9j' * 5)", options=("--refuse-secrets",))
    assert "the call holds a secret" in done.stderr
    assert "recorded nothing: no model call without a secret was seen" in done.stderr
    assert executions(tmp_path / "store") == []


def test_a_program_does_not_record_itself_into_a_bucket(tmp_path: Path) -> None:
    """`instrument` is told a directory; the URL of a bucket is refused with the way that works, and no directory of that name is made."""
    with pytest.raises(InvalidInput, match="is a bucket") as refused:
        runstore.instrument(f"dir://{tmp_path / 'bucket'}")
    assert "exec" in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []
