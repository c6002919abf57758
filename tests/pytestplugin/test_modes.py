"""Which mode a test runs in: option, marker, and what holds in continuous integration."""

from __future__ import annotations

import pytest

from runstore.errors import InvalidInput
from runstore.pytestplugin.modes import mode_of
from tests.pytestplugin.conftest import Project

LOCAL, CI = {"CI": ""}, {"CI": "true"}


@pytest.mark.parametrize(
    ("option", "marker", "environ", "typed", "mode"),
    [
        (None, None, LOCAL, False, "replay"),
        (None, "auto", LOCAL, False, "auto"),
        ("record", "auto", LOCAL, True, "record"),
        ("auto", None, LOCAL, False, "auto"),
        ("record", "replay", LOCAL, True, "replay"),
        ("record", "off", LOCAL, True, "off"),
        ("replay", "off", LOCAL, True, "off"),
        (None, "auto", CI, False, "replay"),
        (None, "record", CI, False, "replay"),
        (None, "compare", CI, False, "replay"),
        ("record", None, CI, False, "replay"),
        ("record", "auto", CI, True, "record"),
        ("off", None, CI, False, "off"),
        (None, "auto", {"CI": "false"}, False, "auto"),
    ],
)
def test_the_mode(option: str | None, marker: str | None, environ: dict[str, str], typed: bool, mode: str) -> None:
    """The option counts for more than the marker, but for its off and replay; in CI only what was typed sends."""
    assert mode_of(option, marker, environ, typed=typed) == mode


def test_a_mode_that_is_none() -> None:
    """A marker's mode is one of the five."""
    with pytest.raises(InvalidInput, match="'live' is no mode"):
        mode_of(None, "live", LOCAL, typed=False)


def test_in_ci_nothing_is_sent(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CI is set, a marker and a file of settings send nothing, and the miss says why; what is typed sends."""
    monkeypatch.setenv("CI", "true")
    project.write('@pytest.mark.runstore(mode="auto")\ndef test_one():\n    ask("one")\n')
    (project.path / "pytest.ini").write_text("[pytest]\naddopts = --runstore-mode=record\n")
    done = project.replay(failed=1)
    done.stdout.fnmatch_lines(["hint: CI is set, so nothing is sent; where the service can be reached: pytest --runstore-mode=record *"])
    project.record()
    project.replay()


def test_a_recording_made_by_hand_is_not_replaced(project: Project) -> None:
    """A marker with mode=replay is answered while others are recorded."""
    project.write('def test_one():\n    ask("one")\n')
    project.record()
    project.write('@pytest.mark.runstore(mode="replay")\ndef test_one():\n    ask("one")\n')
    before = project.sent
    project.record()
    assert project.sent == before


def test_off_leaves_calls_alone(project: Project) -> None:
    """A test that is off sends its calls, and nothing is recorded."""
    project.write(
        '@pytest.mark.runstore(mode="off")\ndef test_one(runstore_replay):\n    ask("one")\n    assert runstore_replay.hits == 0\n'
    )
    project.record()
    assert project.sent == 1
    assert not project.file.exists()


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('mode="live"', "'live' is no mode"),
        ('"x"', "the marker runstore takes*"),
        ('ref="a b"', "'a b' is no ref name*"),
    ],
)
def test_a_marker_that_is_wrong(project: Project, marker: str, told: str) -> None:
    """A marker with another mode, other words or a bad name is an error of the test, in one line."""
    project.write(f"@pytest.mark.runstore({marker})\ndef test_one():\n    pass\n")
    project.replay(errors=1).stdout.fnmatch_lines([told])
