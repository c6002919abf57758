"""The commands by name, each with the sentence that `runstore --help` shows. A command's module is imported only when it runs.

Names of two words are commands of their own: `ref set` lives in commands/ref_set.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from runstore.cli.declare import Command

SECTIONS: dict[str, dict[str, str]] = {
    "Record": {
        "init": "Make a store.",
        "exec": "Run a program and record its model calls.",
        "proxy": "Stand before a service and record what passes.",
        "add": "Record an execution of a run.",
        "import conversations": "Import conversations from JSON lines.",
        "import exchanges": "Import recorded calls from JSON lines.",
        "import har": "Import recorded calls from HAR files.",
        "import vcr": "Import recorded calls from test cassettes.",
        "import openai-batch": "Import the calls of a batch.",
        "import inspect": "Import evaluation logs of Inspect.",
        "import llm": "Import the logs of the command line tool LLM.",
        "import langfuse": "Import traces of Langfuse.",
        "import otlp": "Import OpenTelemetry traces.",
        "demo": "Record, change, compare and check a small example.",
    },
    "Read": {
        "show": "Show a run or an execution.",
        "log": "List executions, newest first.",
        "diff": "Compare two runs component by component.",
        "compare": "Compare several runs, or what changed along a log.",
        "grep": "Search prompts, tools, documents, histories and outputs.",
        "find": "List what used a file, document, tool or message.",
        "check": "Say whether a run is complete and repeatable.",
    },
    "Reproduce": {
        "replay": "Run a program and answer its model calls from the store.",
        "request": "Print the request of a recorded call.",
        "rerun": "Ask a recorded request again, and compare the answers.",
        "bisect": "Find the change that turned a good answer bad.",
        "drift": "Find requests that something else answers now than before.",
    },
    "Name": {
        "refs": "List refs.",
        "ref set": "Point a ref at an execution.",
        "ref delete": "Remove a ref.",
        "tag": "Name an object for good.",
        "reflog": "List the changes of refs.",
        "reflog expire": "Forget old changes of refs.",
        "undo": "Take back the newest change of refs.",
    },
    "Look inside": {
        "cat": "Print an object or a part of a run.",
        "ls": "List what an object holds.",
        "rev-parse": "Print the id that a revision names.",
        "hash": "Print the id that a file would have.",
        "dump": "Print objects as JSON lines.",
    },
    "Exchange": {
        "clone": "Make a store with all that a remote has.",
        "pull": "Fetch, and join with what is here.",
        "push": "Send refs and what they lead to.",
        "fetch": "Bring what a remote has, and leave our refs alone.",
        "ls-remote": "List the refs of a remote.",
        "remote add": "Name a remote.",
        "remote list": "List remotes.",
        "remote remove": "Forget a remote.",
        "remote set-url": "Change where a remote leads.",
        "bundle create": "Write refs and what they lead to into a file.",
        "bundle verify": "Check a bundle.",
        "bundle list": "List the refs of a bundle.",
        "bundle unbundle": "Take in what a bundle has.",
        "serve": "Let other stores push to these and fetch from them.",
        "token add": "Let somebody call a server.",
        "token list": "List who may call a server.",
        "token remove": "Take a token back.",
    },
    "Care": {
        "fsck": "Verify every object, index and ref.",
        "pack": "Compress the store anew.",
        "gc": "Drop what nothing leads to.",
        "bucket compact": "Merge the small packs of a bucket.",
        "stat": "Print counts and sizes.",
        "reindex": "Rebuild the derived indexes.",
        "version": "Print versions.",
    },
}
COMMANDS = {name: summary for section in SECTIONS.values() for name, summary in section.items()}


def load(name: str) -> Command:
    """Import the module of a command and return its declaration."""
    # The statement's own function: `importlib` takes as long to import as the module of a command.
    module = __import__("runstore.cli.commands." + name.replace(" ", "_").replace("-", "_"), fromlist=("COMMAND",))
    found: Command = module.COMMAND
    return found


def split_name(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Split command words into the name of a command, of two words where there is one, and the rest. None: there is no such command."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in COMMANDS:
            return name, words[count:]
    return None, words
