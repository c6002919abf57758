"""`runstore import langfuse`: put traces of Langfuse in."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "langfuse",
    help="""Import traces of Langfuse, as its API and its exports give them in JSON.

Each generation becomes an execution on heads/langfuse/TRACE. Of generations inside one another the innermost counts. """,
    examples="runstore import langfuse trace.json",
)
