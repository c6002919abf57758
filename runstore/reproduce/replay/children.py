"""Replay in a program that was started by `runstore replay`: settings come in its environment, and what happens goes to a file.

Each hit and each miss is a line of JSON, written at once: a process that is forked, or killed, has told what it did.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Mapping
from typing import Any

from runstore.reproduce.replay.replaying import Replaying


def settings(mode: str, store: str, choice: str, report: str, normalise: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings for `capture.children.environment`. `report` is the file; `normalise` are patterns by name."""
    stated = {"mode": mode, "store": store, "choice": choice, "report": report, "normalise": dict(normalise)}
    return {"begin": "runstore.reproduce.replay.children:begin", **stated}


def begin(given: Mapping[str, Any]) -> None:
    """Begin to answer the calls of this process, until it ends."""
    report = os.open(given["report"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def tell(told: dict[str, Any]) -> None:
        os.write(report, json.dumps(told).encode() + b"\n")

    replaying = Replaying(given["mode"], given["store"], given["choice"], strict=False, normalise=given["normalise"], tell=tell)
    replaying.__enter__()
    tell({})
    own = os.getpid()

    def end() -> None:
        if os.getpid() != own:
            return  # a fork: what is open is its parent's
        replaying.__exit__(None, None, None)
        if replaying.compared is not None:
            tell({"compared": replaying.compared})

    atexit.register(end)
