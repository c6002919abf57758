"""`bundle list --text`: what `git diff` shows of a bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, run_at

TOOL = {"name": "book", "description": "Book a seat.", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}


def bundled(cli: Cli, *runs: dict[str, object]) -> list[str]:
    """Return what is printed about a bundle of these runs."""
    for number, run in enumerate(runs):
        cli.add(**run_at(number, nonce=str(number), **run))
    cli("bundle", "create", "calls.runs", "--all")
    return cli("bundle", "list", "--text", "calls.runs").lines


def test_all_that_was_asked_and_answered_is_there(cli: Cli) -> None:
    """Every slot, the answer and what surrounds it are told, a thing a line, below the ref."""
    cli("init")
    told = bundled(cli, {"tools": [TOOL], "response": {"id": "chatcmpl-1"}, "wire": {"style": "compact"}, "extra": {"k": "1", "n": 1}})
    assert told[0] == "main"
    assert all(line.startswith("  ") for line in told[1:])
    for line in (
        "      Answer in one word.", "      temperature: 0", "        description: Book a seat.", "            n:",
        "        content: Four.", "      completion_tokens: 3", "      id: (id 1)", "      style: compact", "      session: s1",
        '      k: "1"', "      n: 1", "    started: 2026-01-01T12:00:00.000000Z", "    actor: tester",
    ):  # fmt: skip
        assert line in told, line


def test_what_an_earlier_call_said_is_named_only(cli: Cli) -> None:
    """A prompt, a tool or a message that a call of the ref has told of is not told again, an answer in a history among them."""
    cli("init")
    asked = [{"role": "user", "content": "What is two and two?"}]
    told = bundled(cli, {}, {"history": [*asked, {"role": "assistant", "content": "Four."}, {"role": "user", "content": "Sure?"}]})
    assert told.count("      Answer in one word.") == 1
    assert "    prompt: as in call 1" in told
    second = told[told.index("  2. gpt-4o") :]
    assert second[second.index("    history") :][1:5] == [
        "      1. as in call 1, history 1", "      2. as in call 1, answer 1", "      3.", "        role: user",
    ]  # fmt: skip


def test_ids_that_a_provider_makes_up_are_numbered(cli: Cli) -> None:
    """Two recordings that differ in ids of answers and tool calls, and in times, are one text."""

    def told(number: int) -> list[str]:
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "book", "arguments": "{}"}}
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        history = [{"role": "user", "content": "Book."}, said, {"role": "tool", "tool_call_id": call["id"], "content": "done"}]
        answered = {"id": f"chatcmpl-{number}", "body": {"created": number}}
        lines = bundled(cli, {"output": [said], "response": answered}, {"history": history})
        cli("ref", "delete", "main")
        return lines

    cli("init")
    first = told(1)
    assert first == told(2)
    assert "          tool_call_id: (id 2)".strip() in [line.strip() for line in first]


def test_what_is_no_whole_bundle_is_told_as_far_as_it_goes(cli: Cli) -> None:
    """Merges, what two refs share and what a bundle builds on are named."""
    cli("init")
    first = cli.add(**run_at(0, nonce="a"))["execution"]
    cli.add(**run_at(1, nonce="b"))
    cli("ref", "set", "other", first)
    cli("bundle", "create", "all.runs", "--all")
    assert cli("bundle", "list", "--text", "all.runs").lines[-2:] == ["other", "  as in main call 1"]
    cli("bundle", "create", "new.runs", "main", "--after", first)
    assert f"  execution {first.removeprefix('execution:')}" in cli("bundle", "list", "--text", "new.runs").lines


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_shows_which_prompt_tool_and_answer_changed(cli: Cli, tmp_path: Path) -> None:
    """With the text as git's textconv, a diff of two bundles has the changed lines under the name of their ref, and no others."""

    def git(*words: str) -> str:
        named = ("-c", "user.name=t", "-c", "user.email=t@t")
        return subprocess.run(["git", *named, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    git("config", "diff.runstore.textconv", f"{sys.executable} -m runstore bundle list --text")
    (tmp_path / ".gitattributes").write_text("*.runs diff=runstore\n")
    cli("init")
    bundled(cli, {"tools": [TOOL]})
    git("add", ".gitattributes", "calls.runs")
    git("commit", "-qm", "first")
    changed = json.loads(json.dumps(TOOL).replace("integer", "string"))
    cli("undo")
    bundled(cli, {"tools": [changed], "prompt": "You are terse.\nAnswer in one digit.", "output": [{"role": "assistant", "content": "4"}]})
    shown = git("diff").splitlines()
    assert [line for line in shown if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        "-      Answer in one word.", "+      Answer in one digit.",
        "-              type: integer", "+              type: string",
        "-        content: Four.", '+        content: "4"',
    ]  # fmt: skip
    assert any(line.startswith("@@") and line.endswith("@@ main") for line in shown)
