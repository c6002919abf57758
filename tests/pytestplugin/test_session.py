"""A whole session: pruning, the report, workers, kinds of tests, files that are damaged, and what is not used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.pytestplugin.conftest import Project

THREE = """
def test_one():
    ask("one"), ask("two")

def test_two():
    ask("two")

def test_three():
    ask("three")
"""
ONE = 'def test_one():\n    ask("one")\n'


def test_pruning_removes_what_no_test_used(project: Project) -> None:
    """Recordings of tests that are gone go, calls that are not made any more go, what is used stays, and all is told."""
    project.write(THREE)
    project.record(passed=3)
    project.write('def test_one():\n    ask("two")\n\ndef test_other():\n    ask("three")\n')
    done = project.replay("--runstore-prune", passed=2)
    done.stdout.fnmatch_lines(["tests/recordings/test_it.runs", "  pruned: test_one call 1", "  pruned: test_two"])
    assert project.recorded() == {"test_one": 1, "test_three": 1}
    project.replay("--runstore-prune", passed=2).stdout.no_fnmatch_line("*pruned*")


@pytest.mark.parametrize(
    ("words", "tests", "outcomes", "reason"),
    [
        (("-k", "one"), THREE, {"passed": 1, "deselected": 2}, "not all tests of the module ran"),
        (("tests/test_it.py::test_one",), THREE, {"passed": 1}, "not all tests of the module ran"),
        (("-x",), ONE + "    assert 0\n\ndef test_two():\n    pass\n", {"failed": 1}, "test_one failed"),
        ((), ONE + "\ndef test_bad():\n    assert 0\n", {"passed": 1, "failed": 1}, "test_bad failed"),
    ],
)
def test_pruning_needs_the_whole_module(
    project: Project, words: tuple[str, ...], tests: str, outcomes: dict[str, int], reason: str
) -> None:
    """Where tests were left out or failed, nothing is pruned, and the reason is told."""
    project.write(THREE)
    project.record(passed=3)
    project.write(tests)
    done = project.replay("--runstore-prune", *words, **outcomes)
    done.stdout.fnmatch_lines([f"  not pruned: {reason}"])
    assert project.recorded() == {"test_one": 2, "test_two": 1, "test_three": 1}


def test_pruning_spares_what_is_skipped(project: Project) -> None:
    """The recording of a test that is skipped, or is off, stays; those of tests that are gone go."""
    project.write(THREE)
    project.record(passed=3)
    project.write('@pytest.mark.skip\ndef test_one():\n    pass\n\n@pytest.mark.runstore(mode="off")\ndef test_two():\n    pass\n')
    project.replay("--runstore-prune", passed=1, skipped=1)
    assert project.recorded() == {"test_one": 2, "test_two": 1}


def test_pruning_spares_what_a_skipped_test_shares(project: Project) -> None:
    """A shared recording keeps the calls of a test that is skipped."""
    shared = '@pytest.mark.runstore(ref="login")\n'
    tests = [shared + 'def test_one():\n    ask("one")\n\n', shared + 'def test_two():\n    ask("two")\n']
    project.write("".join(tests))
    project.record(passed=2)
    project.write(tests[0] + "@pytest.mark.skip\n" + tests[1])
    project.replay("--runstore-prune", passed=1, skipped=1)
    assert project.recorded() == {"login": 2}


def test_pruning_goes_on_past_tests_that_skip_themselves(project: Project) -> None:
    """A test that skips on the way, and one that is expected to fail, keep what they have and are called no failures."""
    project.write(THREE)
    project.record(passed=3)
    project.write('def test_one():\n    pytest.skip("later")\n\n@pytest.mark.xfail\ndef test_two():\n    assert 0\n')
    project.replay("--runstore-prune", skipped=1, xfailed=1).stdout.fnmatch_lines(["  pruned: test_three"])
    assert project.recorded() == {"test_one": 2, "test_two": 1}


@pytest.mark.parametrize("words", [(), ("--pyargs", "test_it::test_one")])
def test_pruning_sees_that_tests_were_left_out(project: Project, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that a plugin takes away without a word, or that are not named in a package, are not gone."""
    project.write(THREE)
    project.record(passed=3)
    monkeypatch.syspath_prepend(str(project.path / "tests"))
    if not words:
        (project.path / "conftest.py").write_text("def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n")
    project.replay("--runstore-prune", *words).stdout.fnmatch_lines(["  not pruned: not all tests of the module ran"])
    assert project.recorded() == {"test_one": 2, "test_two": 1, "test_three": 1}


def test_pruning_needs_more_than_what_failed_last(project: Project) -> None:
    """With `--lf` pytest leaves out the tests of a module that passed, and says it to no plugin."""
    project.write(THREE)
    project.record(passed=3)
    project.write(THREE + "\ndef test_four():\n    assert 0\n")
    project.run(cache=True).assert_outcomes(passed=3, failed=1)
    project.write(THREE + "\ndef test_four():\n    pass\n")
    project.run("--lf", "--runstore-prune", cache=True).assert_outcomes(passed=1)
    assert project.recorded() == {"test_one": 2, "test_two": 1, "test_three": 1}


def test_pruning_removes_files_of_modules_that_are_gone(project: Project) -> None:
    """A file beside which no module stands goes; one of a module that did not run stays."""
    for name in ("gone", "other", "it"):
        project.write(ONE, f"test_{name}")
    project.record(passed=3)
    (project.path / "tests" / "test_gone.py").unlink()
    done = project.replay("--runstore-prune", "tests/test_it.py")
    done.stdout.fnmatch_lines(["tests/recordings/test_gone.runs: removed, there is no such module"])
    assert sorted(path.name for path in project.file.parent.iterdir()) == ["test_it.runs", "test_other.runs"]


def test_the_report_says_which_test_used_which_run(project: Project) -> None:
    """Each test's runs are told with model and answer, and whose recording it is where that is another test's."""
    project.write(ONE)
    project.record()
    project.write(ONE + '\ndef test_two(runstore_replay):\n    ask("one")\n    assert runstore_replay.hits == 1\n')
    done = project.replay("--runstore-report", passed=2)
    done.stdout.re_match_lines([
        r"  test_one: [0-9a-f]{12} gpt-4o: You said: one", r"  test_two: [0-9a-f]{12} gpt-4o \(test_one call 1\): You said: one",
    ])  # fmt: skip
    project.replay(passed=2).stdout.no_fnmatch_line("*test_one:*")


def test_workers_record_into_one_file(project: Project) -> None:
    """Two processes that record tests of one module give the bytes that one gives, and answer, prune and report as one."""
    pytest.importorskip("xdist")
    project.write("\n".join(f'def test_{n}():\n    ask("{n}"), ask("both")\n' for n in range(6)))
    project.record(passed=6)
    alone = project.file.read_bytes()
    project.file.unlink()
    workers = ("-p", "xdist", "-n", "2")
    project.run(*workers, "--runstore-mode=record", process=True).assert_outcomes(passed=6)
    assert project.file.read_bytes() == alone
    project.write("\n".join(f'def test_{n}():\n    ask("{n}"), ask("both")\n' for n in range(4)))
    before = project.sent
    done = project.run(*workers, "--runstore-prune", "--runstore-report", process=True)
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["  pruned: test_4", "  pruned: test_5"])
    assert len([line for line in done.outlines if "gpt-4o" in line]) == 8
    assert project.sent == before


def test_unittest_and_asyncio_and_threads(project: Project) -> None:
    """Methods of a TestCase, tasks and threads are answered; those of scopes of their own keep their order."""
    project.write(
        textwrap.dedent("""
        import asyncio, concurrent.futures, httpx, os, unittest
        import runstore

        class TestCase(unittest.TestCase):
            def test_method(self):
                self.assertIn("one", ask("one"))

        def test_threads():
            def caller(name):
                with runstore.record(scope=name):
                    return [ask("same"), ask("same")]
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                assert len(list(pool.map(caller, "abc"))) == 3

        async def asked(client, text):
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
            answer = await client.post(os.environ["LLM"] + "/v1/chat/completions", json=body)
            return answer.json()["choices"][0]["message"]["content"]

        def test_tasks():
            async def main():
                async with httpx.AsyncClient(verify=False, trust_env=False) as client:
                    return await asyncio.gather(*(asked(client, f"task {n}") for n in range(3)))
            assert asyncio.run(main()) == [f"You said: task {n}" for n in range(3)]
        """)
    )
    project.record(passed=3)
    assert project.recorded() == {"TestCase/test_method": 1, "test_threads": 6, "test_tasks": 3}
    project.replay(passed=3)


def test_a_file_that_is_no_bundle(project: Project) -> None:
    """A damaged file is an error of the tests that need it, which names the file and what to do; nothing is overwritten."""
    project.write(ONE)
    project.record()
    whole = project.file.read_bytes()
    for damaged, told in ((b"version https://git-lfs", "not a bundle"), (whole[:-40], "*"), (b"", "not a bundle")):
        project.file.write_bytes(damaged)
        done = project.replay(errors=1)
        done.stdout.fnmatch_lines(
            [
                f"tests/recordings/test_it.runs: {told}",
                "hint: bring it back (`git checkout FILE`, `git lfs pull`), or remove it and record all tests of the module",
            ]
        )
        project.run("--runstore-mode=record").assert_outcomes(errors=1)
        assert project.file.read_bytes() == damaged


def test_a_frame_that_is_damaged(project: Project) -> None:
    """A damaged answer is found when it is needed, and fails the test that asks."""
    project.write(ONE)
    project.record()
    whole = project.file.read_bytes()
    at = len(whole) // 3
    project.file.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
    done = project.run()
    assert done.parseoutcomes().get("passed") is None
    done.stdout.fnmatch_lines(["tests/recordings/test_it.runs: *", "hint: bring it back*"])


def test_names_that_differ_in_case_alone(project: Project) -> None:
    """Parameters that differ in case alone have recordings of their own."""
    project.write('@pytest.mark.parametrize("x", ["paris", "Paris"])\ndef test_it(x):\n    assert x in ask(x)\n')
    project.record(passed=2)
    project.replay(passed=2)
    assert project.recorded() == {"test_it[paris]": 1, "test_it[Paris]": 1}


def test_killed_while_recording(project: Project) -> None:
    """A session that is killed leaves what it had recorded, whole, and no other file."""
    project.write(ONE + '\ndef test_two():\n    ask("two")\n    import time\n    time.sleep(60)\n')
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "runstore.pytestplugin.plugin", "--runstore-mode=record"]
    with subprocess.Popen(words, cwd=project.path, env={**os.environ, "PYTHONPATH": str(project.path)}) as process:
        until = time.monotonic() + 60
        while project.sent < 2 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert project.recorded() == {"test_one": 1}
    assert [path.name for path in project.file.parent.iterdir()] == ["test_it.runs"]


def test_what_a_killed_writer_left_is_overwritten(project: Project) -> None:
    """A file that somebody who was killed left beside the recordings is gone when they are written next."""
    project.write(ONE)
    project.file.parent.mkdir()
    (project.file.parent / ".test_it.runs.tmp").write_bytes(b"half")
    project.record()
    assert [path.name for path in project.file.parent.iterdir()] == ["test_it.runs"]


def test_a_place_that_cannot_be_written(project: Project) -> None:
    """What cannot be written is an error of the test, in one line."""
    project.write(ONE)
    project.file.parent.write_text("a file where the directory is to be")
    done = project.run("--runstore-mode=record")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["cannot write tests/recordings/test_it.runs: File exists"])


def test_unused_it_loads_nothing(project: Project) -> None:
    """Where no test asks for it, the plugin loads none of the rest of the package, and no httpx."""
    (project.path / "tests" / "test_plain.py").write_text(
        "import sys\n\ndef test_loaded():\n"
        '    found = {name for name in sys.modules if name.startswith(("runstore", "httpx", "lmdb", "blake3"))}\n'
        '    assert found == {"runstore", "runstore.pytestplugin", "runstore.pytestplugin.plugin"}\n'
    )
    project.run("tests/test_plain.py", process=True).assert_outcomes(passed=1)


def test_the_plugin_is_declared() -> None:
    """Installing the package is what gives pytest the plugin."""
    import tomllib

    from tests.transcripts import ROOT

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"runstore": "runstore.pytestplugin.plugin"}


def test_tools_act_once(project: Project) -> None:
    """A tool that was recorded does nothing in a replay: its result comes from the recording, and a changed argument is a miss."""
    tool = 'import runstore, pathlib\n\n@runstore.tool\ndef book(seat):\n    with pathlib.Path("booked").open("a") as file:\n'
    tool += '        file.write(seat)\n    return {"seat": seat}\n'
    project.write(tool + '\ndef test_one():\n    assert book("1A") == {"seat": "1A"}\n    ask("one")\n')
    project.record()
    project.replay()
    assert (project.path / "booked").read_text() == "1A"
    assert project.recorded() == {"test_one": 2}
    project.write(tool + '\ndef test_one():\n    book("1B")\n')
    project.replay(failed=1).stdout.fnmatch_lines(
        ["not recorded: the nearest is call 1 of test_one, which differs in *1B*", "asked in tests/test_it.py:*"]
    )
    assert (project.path / "booked").read_text() == "1A"
