"""Judging by a command: as `git bisect run` does, 0 is good, 1 is bad, 125 cannot be said; anything else stops."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from runstore.errors import InvalidInput, NotFound, Unavailable
from runstore.query.content import text_of
from runstore.reproduce.bisect.narrowing import BAD, GOOD, SKIP
from runstore.reproduce.bisect.trials import Trial

VERDICTS = {0: GOOD, 1: BAD, 125: SKIP}


class CommandJudge:
    """Runs a command for each trial, its output on stderr, with what it is to judge named in its environment.

    `RUNSTORE_RUN` and `RUNSTORE_EXECUTION` are ids, `RUNSTORE_REQUEST` and `RUNSTORE_ANSWER` files: the body of the request, and the text
    of the answer with its tool calls as `name(arguments)`. The execution and the answer are not set where nothing was asked.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = environment

    def __call__(self, trial: Trial) -> str:
        """Judge a trial. Raises InvalidInput for any other exit code, NotFound for no such program."""
        with tempfile.TemporaryDirectory(prefix="runstore-bisect-") as place:
            code = self._run({**self._environment, **_files(trial, place)})
        verdict = VERDICTS.get(code)
        if verdict is None:
            told = f"signal {-code} ended it" if code < 0 else f"it exited with {code}"
            raise InvalidInput(
                f"{self._command[0]} gave no verdict: {told}",
                hint="0 is good, 1 is bad, 125 means that it cannot be said",
                kind="no-verdict",
            )
        return verdict

    def _run(self, environment: Mapping[str, str]) -> int:
        try:
            # What it prints is talk: stdout is for the result.
            return subprocess.run(self._command, env=environment, stdout=_stderr(), check=False).returncode
        except FileNotFoundError as error:
            raise NotFound(
                f"there is no program {self._command[0]!r}", hint="name a program on the PATH, after `--`", kind="no-program"
            ) from error
        except OSError as error:
            raise Unavailable(f"{self._command[0]!r} cannot be run: {error.strerror}") from error


def _stderr() -> int | None:
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError):  # a stream without a file, in tests and notebooks
        return subprocess.DEVNULL


def _files(trial: Trial, place: str) -> dict[str, str]:
    told = {"RUNSTORE_RUN": trial.run.hex(), "RUNSTORE_REQUEST": _written(place, "request.json", trial.request)}
    if trial.execution is not None:
        text = text_of(trial.answer).encode("utf-8", "surrogatepass")
        told |= {"RUNSTORE_EXECUTION": trial.execution.hex, "RUNSTORE_ANSWER": _written(place, "answer.txt", text)}
    return told


def _written(place: str, name: str, data: bytes) -> str:
    path = os.path.join(place, name)
    with open(path, "wb") as file:
        file.write(data)
    return path
