"""The plugin records the calls of tests beside them, and answers them from there."""

from __future__ import annotations

import pytest

from runstore.capture.fake.answers import echo
from tests.pytestplugin.conftest import Project

TWO = """
def test_one():
    assert "one" in ask("one")

def test_two():
    assert "two" in ask("two") and "three" in ask("three")
"""


def test_what_was_recorded_is_answered_without_a_network(project: Project) -> None:
    """Recorded tests pass with no call sent, each from a recording of its own beside its module."""
    project.write(TWO)
    project.record(passed=2)
    assert project.sent == 3
    project.replay(passed=2)
    assert project.recorded() == {"test_one": 1, "test_two": 2}


def test_a_miss_fails_the_test_and_says_what_differs(project: Project) -> None:
    """A changed parameter is not answered: the test says which call is nearest, what differs, where it was asked and what to do."""
    project.write('def test_one():\n    ask("one")\n')
    project.record()
    project.write('def test_one():\n    ask("one", top_p=0.5)\n')
    done = project.replay(failed=1)
    done.stdout.fnmatch_lines(
        [
            "not recorded: the nearest is call 1 of test_one, which differs in parameters: absent → present (parameters.top_p: added, 0.5)",
            "asked in agent.py:8: POST http://127.0.0.1:*/v1/chat/completions",
            "hint: to record it: pytest --runstore-mode=record 'tests/test_it.py::test_one'",
        ]
    )


@pytest.mark.parametrize("around", ["Exception", "BaseException"])
def test_a_miss_that_the_program_passes_over_fails_the_test(project: Project, around: str) -> None:
    """Whatever the program makes of the error, the test fails."""
    project.write(f'def test_one():\n    try:\n        ask("one")\n    except {around}:\n        pass\n')
    done = project.replay(failed=1)
    done.stdout.fnmatch_lines(["not recorded: there is no tests/recordings/test_it.runs"])


def test_the_same_calls_give_the_same_bytes(project: Project) -> None:
    """Recording anew what says the same leaves the file as it is; so does recording from nothing, test by test, in another order."""
    project.write(TWO)
    project.record(passed=2)
    first, when = project.file.read_bytes(), project.file.stat().st_mtime_ns
    done = project.record(passed=2)
    done.stdout.fnmatch_lines(["  test_two: recorded as before, 2 calls"])
    assert project.file.stat().st_mtime_ns == when
    project.file.unlink()
    project.record("tests/test_it.py::test_two")
    project.record("tests/test_it.py::test_one")
    assert project.file.read_bytes() == first


def test_recording_some_tests_keeps_the_others(project: Project) -> None:
    """What is recorded of other tests of the module stays."""
    project.write(TWO)
    project.record(passed=2)
    project.write(TWO.replace('"one"', '"eleven"'))
    project.record("-k", "test_one", passed=1, deselected=1)
    project.replay(passed=2)
    assert project.recorded() == {"test_one": 1, "test_two": 2}


def test_a_test_that_fails_keeps_what_it_had(project: Project) -> None:
    """A failing test records nothing unless asked to, and says so."""
    project.write('def test_one():\n    ask("one")\n')
    project.record()
    before = project.file.read_bytes()
    project.write('def test_one():\n    ask("eleven")\n    assert 0\n')
    done = project.record(failed=1)
    done.stdout.fnmatch_lines(["  test_one: 1 call not recorded, since it failed; --runstore-keep-failed records them"])
    assert project.file.read_bytes() == before
    project.record("--runstore-keep-failed", failed=1)
    assert project.file.read_bytes() != before


def test_the_nth_call_gets_the_nth_answer_in_each_test(project: Project) -> None:
    """Each test counts for itself, in whatever order tests run; a call too many is a miss."""
    answers = iter(range(100))
    project.provider.reply = lambda body: str(next(answers))
    project.write(
        '@pytest.mark.parametrize("n", [0, 1])\ndef test_it(n):\n    assert [ask("x"), ask("x")] == [str(2 * n), str(2 * n + 1)]\n'
    )
    project.record(passed=2)
    project.replay("-k", "1", passed=1, deselected=1)
    project.replay(passed=2)
    project.write('@pytest.mark.parametrize("n", [0, 1])\ndef test_it(n):\n    [ask("x") for _ in range(3)]\n')
    project.replay(failed=2).stdout.fnmatch_lines(["not recorded: the request * was answered 2 times, and this is call 3"])


def test_a_renamed_test_goes_on(project: Project) -> None:
    """Where a test has no answer of its own, another test's of the module is one: it is the same request."""
    project.write('def test_one():\n    assert "one" in ask("one")\n')
    project.record()
    project.write('def test_uno():\n    assert "one" in ask("one")\n')
    project.replay()


def test_tests_that_share_a_recording(project: Project) -> None:
    """With ref=… the first test records for the others, which are answered and add what is new."""
    project.write(TWO.replace('"two"', '"one"').replace("def ", '@pytest.mark.runstore(ref="shared")\ndef '))
    project.record(passed=2)
    assert project.sent == 2
    assert project.recorded() == {"shared": 2}
    project.replay(passed=2)


def test_auto_sends_only_what_is_not_recorded(project: Project) -> None:
    """In auto a miss is sent and added; what is recorded is answered."""
    project.write('@pytest.mark.runstore(mode="auto")\ndef test_one():\n    ask("one")\n')
    project.run().assert_outcomes(passed=1)
    project.write('@pytest.mark.runstore(mode="auto")\ndef test_one():\n    ask("one"), ask("two")\n')
    project.run().assert_outcomes(passed=1)
    assert project.sent == 2
    project.replay()
    assert project.recorded() == {"test_one": 2}


def test_compare_tells_other_answers_and_writes_nothing(project: Project) -> None:
    """In compare the test gets the new answers, and each that differs from the recorded one is told."""
    project.write(TWO)
    project.record(passed=2)
    before = project.file.read_bytes()
    project.provider.reply = lambda body: "now two" if body["messages"][-1]["content"] == "two" else echo(body)
    done = project.run("--runstore-mode=compare")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(
        [
            "  test_one: 1 answered as recorded, 0 otherwise, 0 not recorded before",
            "  test_two: 1 answered as recorded, 1 otherwise, 0 not recorded before",
            "    call 1: 'You said: two' → 'now two'",
        ]
    )
    assert project.file.read_bytes() == before


def test_errors_are_not_recorded(project: Project) -> None:
    """A call that fails is not recorded, which is told; what is recorded stays."""
    project.write('def test_one():\n    ask("one")\n')
    project.record()
    project.write('def test_one():\n    with pytest.raises(KeyError):\n        ask("one", model="error-500")\n')
    done = project.record()
    done.stdout.fnmatch_lines(["  test_one: 1 call of status error not recorded: only complete answers can be given again"])
    assert project.recorded() == {"test_one": 1}


def test_fixtures_that_call_are_answered_too(project: Project) -> None:
    """The recording begins before all other fixtures of a test, and ends after them."""
    project.write(
        '@pytest.fixture\ndef before():\n    yield ask("first")\n    ask("last")\n\ndef test_one(before):\n    assert "first" in before\n'
    )
    project.record()
    project.replay()
    assert project.recorded() == {"test_one": 2}


def test_modules_of_one_name_have_files_of_their_own(project: Project) -> None:
    """Recordings lie beside the module, so modules of one name in two directories do not meet."""
    for name in ("a", "b"):
        (project.path / "tests" / name).mkdir()
        project.write(f'def test_one():\n    ask("{name}")\n', f"{name}/test_it")
    project.record(passed=2)
    for name in ("a", "b"):
        assert project.recorded(project.path / "tests" / name / "recordings" / "test_it.runs") == {"test_one": 1}
    project.replay(passed=2)


def test_what_looks_like_a_secret_is_told(project: Project) -> None:
    """A key in a prompt is recorded as it is, since it is part of what was asked, and the session says where it stands."""
    key = "sk-" + "proj-" + "A1b2C3d4E5f6G7h8" * 3
    project.write(f'def test_one():\n    ask("use {key}")\n')
    done = project.record()
    done.stdout.fnmatch_lines(["  test_one: CAREFUL, what looks like a secret was recorded: * at /request/body/messages/1/content"])
    done.stdout.no_fnmatch_line(f"*{key}*")
    project.replay()
