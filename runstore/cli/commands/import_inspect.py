"""`runstore import inspect`: put the calls of evaluations in."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "inspect",
    help="""Import the logs of Inspect: .eval and .json.

Each call of a model becomes an execution on heads/inspect/TASK/RUN/SAMPLE-EPOCH. Where the log has the request as it was sent, its prompt,
tools and parameters are read from that. """,
    examples="runstore import inspect logs/*.eval",
)
