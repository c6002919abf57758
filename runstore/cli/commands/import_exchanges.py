"""`runstore import exchanges`: put recorded calls in, from JSON lines."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "exchanges",
    help="""Import recorded calls from JSON lines (also .zst; - for standard input).

Each line is one call with its request and its response, {"url", "request_body", "status", "response_body", ...};
docs/spec/import/exchanges.md lists the keys. Lines of one session, or of one file that `source` names, are a chain of their own on
heads/exchanges/NAME. """,
    examples="runstore import exchanges calls.jsonl.zst --report",
)
