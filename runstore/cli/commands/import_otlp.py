"""`runstore import otlp`: put OpenTelemetry traces in."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "otlp",
    help="""Import OpenTelemetry traces in OTLP JSON, with the attributes of GenAI or of OpenInference.

Each span that is a call of a model becomes an execution on heads/otlp/TRACE. A file is one export, or one a line. """,
    examples="runstore import otlp traces.jsonl",
)
