"""The command line: the only place that knows the terminal, environment variables and click.

Data goes to stdout, talk to stderr. Exit codes are an interface (docs/exit-codes.md), and so is what `--json` prints (docs/json.md).
"""

from __future__ import annotations

import gc
import sys

# Start-up makes tens of thousands of objects that live as long as the process: looking through them for rubbish every 700 is a tenth of
# the time of `runstore show`. Long commands still collect.
_COLLECT_EVERY = 50_000


def main() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    from runstore.cli.program import run

    code = run(sys.argv[1:])
    gc.freeze()  # the process ends: there is nothing left to look through
    sys.exit(code)
