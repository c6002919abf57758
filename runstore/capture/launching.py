"""Running a program and seeing it through: signals go on to it, its exit code comes back, and meanwhile something is done now and then."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from runstore.errors import NotFound, Unavailable

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)


class NoProgram(NotFound):
    """The program to run is not there, or may not be run. `code` is what a shell would return."""

    kind = "no-program"

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, hint="name a program on the PATH, after `--`")
        self.code = code


def launch(
    command: Sequence[str], environment: Mapping[str, str], *, meanwhile: Callable[[], None] = lambda: None, every: float = 1.0
) -> int:
    """Run a command to its end and return its exit code; 128 + n if signal n ended it.

    Signals that this process gets go on to it, but for those that the terminal has sent to both. `meanwhile` is called about every `every`
    seconds. Raises NoProgram. For a process with one thread.
    """
    waited = {signal.SIGCHLD, *_FORWARDED}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    # A signal that is ignored is not kept for sigtimedwait: SIGCHLD is ignored by default in the sense that matters.
    handler = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    try:
        child = _started(command, environment, lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))
        while child.poll() is None:
            told = signal.sigtimedwait(waited, every)
            if told is None:
                meanwhile()
            elif told.si_signo != signal.SIGCHLD and not _from_the_terminal(told):
                child.send_signal(told.si_signo)
        return child.returncode if child.returncode >= 0 else 128 - child.returncode
    finally:
        signal.signal(signal.SIGCHLD, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _from_the_terminal(told: signal.struct_siginfo) -> bool:
    # The kernel sends what is typed to the whole foreground group: the program has it already (sigaction(2), si_code).
    return told.si_code > 0 and told.si_signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def _started(command: Sequence[str], environment: Mapping[str, str], prepare: Callable[[], object]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(command), env=dict(environment), preexec_fn=prepare)
    except FileNotFoundError as error:
        raise NoProgram(f"there is no program {command[0]!r}", NOT_FOUND) from error
    except PermissionError as error:
        raise NoProgram(f"{command[0]!r} may not be run: {os.strerror(error.errno or 0)}", NOT_EXECUTABLE) from error
    except OSError as error:
        raise Unavailable(f"{command[0]!r} cannot be run: {error.strerror}") from error
