"""A command line to call, in a directory of its own, with nothing of the environment of whoever runs the tests."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import click.testing
import pytest
from click.testing import CliRunner

from runstore.cli import program

FIRST = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC
MINUTE = 60_000_000


class Result(NamedTuple):
    """What a command line gave: its exit code, what stood on stdout and what on stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed, as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.out.splitlines()

    @property
    def objects(self) -> list[Any]:
        """What was printed, as JSON lines."""
        return [json.loads(line) for line in self.lines]


class Cli:
    """Calls command lines as the program does, with words and standard input given; faults of the program come through."""

    def __call__(self, *words: str, stdin: str | bytes | None = None, code: int | None = 0) -> Result:
        """Run a command line; its exit code must be `code`, unless that is None."""
        found = self._invoke(words, stdin)
        result = Result(found.exit_code, found.stdout, found.stderr)
        assert code is None or result.code == code, result
        return result

    def raw(self, *words: str) -> bytes:
        """Run a command line, and return the bytes that it put on stdout."""
        return self._invoke(words, None).stdout_bytes

    def _invoke(self, words: tuple[str, ...], stdin: str | bytes | None) -> click.testing.Result:
        command = click.Command("runstore", callback=lambda: sys.exit(program.run(words)))
        found = CliRunner().invoke(command, [], input=stdin)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    def add(self, ref: str = "main", **run: Any) -> dict[str, Any]:
        """Record one run, given as `add` takes it in JSON; return what was recorded."""
        added: dict[str, Any] = self("add", "-", "--ref", ref, "--json", stdin=json.dumps(run)).json
        return added


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """A command line in an empty directory, 80 columns wide, in UTC, with no store yet."""
    for name in [name for name in os.environ if name.startswith("RUNSTORE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("RUNSTORE_ACTOR", "tester")
    monkeypatch.chdir(tmp_path)
    time.tzset()
    yield Cli()
    monkeypatch.undo()
    time.tzset()


def run_at(number: int, **more: Any) -> dict[str, Any]:
    """A run for `Cli.add`: complete, terse, started `number` minutes after the first, and different in what `more` says."""
    return {
        "model": {"api": "openai.chat", "name": "gpt-4o"},
        "prompt": "You are terse.\nAnswer in one word.",
        "parameters": {"temperature": 0, "seed": 7},
        "documents": [{"title": "Sums", "text": "Two and two are four."}],
        "tools": [{"name": "add", "description": "Add numbers."}, {"name": "multiply", "description": "Multiply numbers."}],
        "history": [{"role": "user", "content": "What is two and two?"}],
        "runtime": {"version": "gpt-4o-2024-08-06"},
        "output": [{"role": "assistant", "content": "Four."}],
        "started": FIRST + number * MINUTE,
        "ended": FIRST + number * MINUTE + 1_200_000,
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        "notes": {"session": "s1"},
        **more,
    }


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """A store with three executions on main: the second with another answer of another runtime, the third with another prompt."""
    cli("init")
    cli.add(**run_at(0, nonce="a", response={"id": "chatcmpl-1"}))
    cli.add(**run_at(1, nonce="b", runtime={"version": "gpt-4o-2024-11-20"}, output=[{"role": "assistant", "content": "4"}]))
    cli.add(
        **run_at(
            2, nonce="c", prompt="You are terse.\nAnswer in one digit.", parameters={"temperature": 0.7, "seed": 7}, notes={"session": "s2"}
        )
    )
    return cli
