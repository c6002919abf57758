"""`runstore import openai-batch`: put the calls of a batch in."""

from __future__ import annotations

from runstore.cli import importing
from runstore.cli.declare import option

COMMAND = importing.command(
    "openai-batch",
    option("--endpoint", metavar="URL", help="Where relative URLs lead. Default: https://api.openai.com."),
    help="""Import a batch: its input file, with its output and error files.

Requests and answers are joined by `custom_id`; requests without an answer are recorded too. All go on heads/openai-batch/FILE, in the
order of the requests. The files do not name the service: OpenAI's unless --endpoint does. """,
    examples="runstore import openai-batch requests.jsonl output.jsonl errors.jsonl",
)
