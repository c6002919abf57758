"""The pager: what is longer than the screen goes through `$PAGER`, or `less -FRX`. Only ever made for a terminal."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from subprocess import Popen

_DEFAULT = "less -FRX"
_DEFAULT_HEIGHT = 24


class Pager:
    """Holds lines back until they fill the screen; only then is the program started."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held: list[str] = []
        self._room = _height(stream) - 1
        self._process: Popen[str] | None = None
        self._direct = False

    def line(self, text: str) -> None:
        """Show one line (or several, joined by newlines). Raises BrokenPipeError when the reader has left the pager."""
        if self._process is not None:
            self._feed(text)
        elif self._direct:
            self._stream.write(text + "\n")
        else:
            self._held.append(text)
            self._room -= 1 + text.count("\n")
            if self._room < 0:
                self._start()

    def close(self) -> None:
        """Show what is held, and wait until the reader has left the pager."""
        if self._process is None:
            self._release()
            return
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # the reader has left
                self._process.stdin.close()
        _wait(self._process)

    def _start(self) -> None:
        command = shlex.split(os.environ.get("PAGER", _DEFAULT))
        if command and command != ["cat"]:
            from subprocess import PIPE, Popen

            try:
                self._process = Popen(command, stdin=PIPE, text=True, encoding="utf-8", errors="backslashreplace")
            except OSError:
                self._process = None  # there is no such program here: show it plainly
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        self._direct = self._process is None
        for text in held:
            self.line(text)

    def _feed(self, text: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(text + "\n")


def _wait(process: Popen[str]) -> None:
    while process.returncode is None:
        with suppress(KeyboardInterrupt):  # the pager handles the key itself
            process.wait()


def _height(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).lines
    except (OSError, ValueError):
        return _DEFAULT_HEIGHT
