"""Transcripts in the documentation: what a reader is shown to type is typed here, and what comes back is compared.

A `console` block holds lines after `$ ` and what each prints, on stdout and stderr together. All blocks of a page are one session of one
shell, in a directory that holds the examples of the project, in UTC and 80 columns wide.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_END = "\x1e"


class Step(NamedTuple):
    """One command of a transcript, the output that the page shows, and the line at which the command stands."""

    command: str
    output: str
    line: int


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the fenced blocks of a language: the number of each one's first line, and its text."""
    text = page.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def steps(page: Path) -> list[Step]:
    """Return the commands of a page in order. A command goes on in the lines after it while they begin with `> `."""
    made: list[Step] = []
    for first, text in blocks(page, "console"):
        for number, line in enumerate(text.splitlines(), first):
            if line.startswith("$ "):
                made.append(Step(line[2:], "", number))
            elif line.startswith("> ") and not made[-1].output:
                made[-1] = made[-1]._replace(command=f"{made[-1].command}\n{line[2:]}")
            else:
                made[-1] = made[-1]._replace(output=f"{made[-1].output}{line}\n")
    return made


def play(commands: list[str], place: Path) -> list[str]:
    """Run commands in one shell in a directory, and return what each printed."""
    (place / "examples").symlink_to(ROOT / "examples")
    tools = place.parent / f"{place.name}-bin"
    tools.mkdir()
    for name, arguments in (("runstore", "-m runstore"), ("python", "")):
        program = tools / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTORE")}
    surroundings = {
        "PATH": f"{tools}:{kept.pop('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "TZ": "UTC",
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    script = tools / "session"  # a file, so that no command reads the rest of it as its input
    script.write_text("exec 2>&1 </dev/null\n" + "".join(f"{command}\nprintf '{_END}'\n" for command in commands))
    done = subprocess.run(
        ["bash", script], cwd=place, env={**kept, **surroundings}, stdout=subprocess.PIPE, text=True, check=False, timeout=120
    )
    return done.stdout.split(_END)[:-1]


def differences(page: Path, place: Path) -> list[str]:
    """Play a page; return a line for each command that printed something else than the page shows."""
    told = steps(page)
    printed = play([step.command for step in told], place)
    assert len(printed) == len(told), printed
    return [
        f"{page.name}:{step.line}: $ {step.command}\n--- the page\n{step.output}--- the program\n{output}"
        for step, output in zip(told, printed, strict=True)
        if _plain(step.output) != _plain(output)
    ]


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
