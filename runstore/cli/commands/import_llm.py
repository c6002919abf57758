"""`runstore import llm`: put the logs of LLM in."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "llm",
    help="""Import logs.db of LLM, the command line tool.

Each response becomes an execution on heads/llm/CONVERSATION, with the conversation before it as its history. """,
    examples='runstore import llm "$(llm logs path)"',
)
