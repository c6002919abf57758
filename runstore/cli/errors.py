"""From exceptions to exit codes and messages: one `error:` line, a `hint:` line where there is a next step, both on stderr.

The codes are an interface: docs/exit-codes.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from runstore import errors
from runstore.cli import safe

DONE = 0
FAILED = 1
DIFFERS = 1
USAGE = 2
PARTLY = 3
INCOMPLETE = 14
DAMAGED = 20
INTERRUPTED = 130

# The first class that fits decides: subclasses stand before their bases.
_CODES: tuple[tuple[type[errors.RunstoreError], int], ...] = (
    (errors.NoStore, 10),
    (errors.NotRecorded, 15),
    (errors.NotFound, 12),
    (errors.Ambiguous, 13),
    (errors.Incomplete, INCOMPLETE),
    (errors.Conflict, 11),
    (errors.Damaged, DAMAGED),
    (errors.Refused, 21),
    (errors.InvalidInput, USAGE),
)


def exit_code(error: errors.RunstoreError) -> int:
    """Return the exit code of an exception."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def guard(action: Callable[[], int]) -> int:
    """Run an action and return its exit code, or that of the exception which ended it, reported on stderr.

    A reader that went away (`runstore log | head`) is no failure: the rest is not wanted. Exceptions that nobody raised on purpose
    pass through, so that a fault of the program shows where it lies.
    """
    try:
        return action()
    except errors.RunstoreError as error:
        return report(error)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return DONE
    except OSError as error:
        if error.errno is None:
            raise
        what = f" {error.filename}" if error.filename is not None else ""
        return report(errors.RunstoreError(f"the system refused{what}: {error.strerror}"))


def report(error: errors.RunstoreError) -> int:
    """Write an exception to stderr and return its exit code."""
    flush_output()
    say(f"error: {error}")
    if isinstance(error, errors.Ambiguous):
        for link, first_line in error.candidates:
            say(f"  {link}  {first_line}")
    if error.hint:
        say(f"hint: {error.hint}")
    return exit_code(error)


def say(text: str) -> None:
    """Write one line of talk to stderr, made safe for terminals. Never fails."""
    try:
        print(safe.text(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return  # nobody listens


def flush_output() -> None:
    """Put out what waits for stdout, so that an error message comes after it. A failure here is not the error to report."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        discard_output()


def discard_output() -> None:
    """Point stdout at nothing, so that the flush at the end of the process cannot fail."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        return  # stdout is no file of this process
