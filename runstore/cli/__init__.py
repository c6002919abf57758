"""The command line: the only place that knows the terminal, environment variables and click.

Data goes to stdout, talk to stderr. Exit codes are an interface (docs/exit-codes.md), and so is what `--json` prints (docs/json.md).
"""

from __future__ import annotations

import gc
import os
import sys

# Start-up makes tens of thousands of objects that live as long as the process: looking through them for rubbish every 700 is a tenth of
# the time of `runstore show`. Long commands still collect.
_COLLECT_EVERY = 50_000


def main() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _open_standard_streams()
    from runstore.cli.program import run

    code = run(sys.argv[1:])
    gc.freeze()  # the process ends: there is nothing left to look through
    sys.exit(code)


def _open_standard_streams() -> None:
    """Let each standard stream that was closed when the process began be nothing: to be read to its end, or written in vain.

    Otherwise a file of the store would get its number, and what others write to that number would go into the store.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
