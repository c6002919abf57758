"""`runstore import har`: put calls in that a browser, a proxy or a debugger has recorded."""

from __future__ import annotations

from runstore.cli import importing

COMMAND = importing.command(
    "har",
    help="""Import the calls of HAR files: what browsers, proxies and debuggers export.

Calls of the APIs known here become executions on heads/har/FILE; all else in the file is left out and counted. """,
    examples="runstore import har session.har",
)
