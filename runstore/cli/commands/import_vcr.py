"""`runstore import vcr`: put the calls of test cassettes in."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "vcr",
    help="""Import the calls of cassettes: what vcrpy, pytest-recording and VCR for Ruby write, in YAML or JSON.

Each interaction with an API known here becomes an execution on heads/vcr/FILE. YAML needs `pip install 'runstore[capture]'`. """,
    examples="runstore import vcr tests/cassettes/*.yaml --report",
)
