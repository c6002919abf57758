"""README.md and the tutorial, played: what they show is what the program prints."""

import ast
import contextlib
import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runstore import ABSENT
from tests.transcripts import ROOT, blocks, differences, play, steps

README = ROOT / "README.md"
_FIRST_SCREEN = 60


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md", "docs/tutorial-bad-answer.md"])
def test_transcripts_are_real(name: str, tmp_path: Path) -> None:
    """Each command in the page prints, in a directory of its own, what the page says."""
    assert differences(ROOT / name, tmp_path) == []


def test_python_in_the_readme_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs in the README run one after the other, and print what stands in the comments behind `print`."""
    play([steps(README)[0].command], tmp_path)
    monkeypatch.chdir(tmp_path)
    text = "\n".join(block for _, block in blocks(README, "python"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.parse(text), "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)$", text, re.MULTILINE)


def test_python_in_the_page_of_the_library_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs in docs/library.md run one after the other, and what they assert holds."""
    monkeypatch.chdir(tmp_path)
    text = "\n".join(block for _, block in blocks(ROOT / "docs" / "library.md", "python"))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "library.md", "exec"), {})
    assert "You are terse." in printed.getvalue()


def test_what_the_how_to_records_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function in docs/how-to/record-from-python.md records everything, here with a client that answers by itself."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"PROMPT": "You are terse."}
    [(_, text)] = blocks(ROOT / "docs" / "how-to" / "record-from-python.md", "python")
    exec(compile(text, "record-from-python.md", "exec"), names)
    with names["repo"] as repo:
        names["ask"](_client("4"), [{"role": "user", "content": "What is 2 + 2?"}], [])
        shown = repo.show("support")
        assert (shown.output[0]["content"], shown.documents, shown.status) == ("4", ABSENT, "ok")
        assert repo.resolve("chatcmpl-1").link == shown.link
        assert repo.check("support").complete


def _client(answer: str) -> Any:
    """Return what answers as a client of the OpenAI library does."""
    message = SimpleNamespace(model_dump=lambda exclude_none: {"role": "assistant", "content": answer})
    completion = SimpleNamespace(
        id="chatcmpl-1",
        model="gpt-4o-2024-08-06",
        system_fingerprint="fp_1",
        choices=[SimpleNamespace(message=message)],
        usage=SimpleNamespace(model_dump=lambda: {"prompt_tokens": 20, "completion_tokens": 1}),
    )
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=lambda **request: completion)))


def test_the_first_screen_ends_before_the_installation() -> None:
    """One sentence, a transcript, the same in Python and a chart come first, and leave room on a screen."""
    head = README.read_text().split("\n## Install\n")[0]
    assert len(head.splitlines()) <= _FIRST_SCREEN
    order = [head.index(mark) for mark in ("```console", "```python", "![")]
    assert order == sorted(order)


def test_the_first_two_commands_set_up_and_test() -> None:
    """After the transcript, the first command installs and shows the main job, and the second passes the tests."""
    installation = README.read_text().split("\n## Install\n")[1]
    commands = re.findall(r"^    (\S.*)$", installation, re.MULTILINE)
    assert commands[:2] == ["pip install . && runstore demo", "pip install '.[dev]' && pytest"]
