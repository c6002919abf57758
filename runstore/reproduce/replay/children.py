"""Replay in a program that was started by `runstore replay`: settings come in its environment, and what happened goes to a file."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Mapping
from typing import Any

from runstore.reproduce.replay.replaying import Replaying


def settings(mode: str, store: str, choice: str, report: str) -> dict[str, Any]:
    """Return the settings for `capture.children.environment`. `report` is a file to which each process adds one line of JSON."""
    return {"begin": "runstore.reproduce.replay.children:begin", "mode": mode, "store": store, "choice": choice, "report": report}


def begin(given: Mapping[str, Any]) -> None:
    """Begin to answer the calls of this process, until it ends."""
    replaying = Replaying(given["mode"], given["store"], given["choice"], strict=False)
    replaying.__enter__()
    own = os.getpid()

    def end() -> None:
        if os.getpid() != own:
            return  # a fork: its parent tells of both
        replaying.__exit__(None, None, None)
        told = {
            "hits": replaying.hits,
            "missed": replaying.missed,
            "misses": [str(miss) for miss in replaying.misses],
            "compared": replaying.compared,
        }
        with open(given["report"], "a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    atexit.register(end)
