"""Recording in a program that was started by `runstore exec`: settings come in its environment, as JSON. Standard library alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from runstore.capture import instrumenting
from runstore.capture.recorder import Options
from runstore.capture.redaction.configured import configured

VARIABLE = "RUNSTORE_TAP"
INJECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inject")


def environment(given: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, str]:
    """Return an environment in which Python loads `inject/sitecustomize.py`, which calls what `settings["begin"]` names with them."""
    paths = [INJECTED, *filter(None, given.get("PYTHONPATH", "").split(os.pathsep))]
    return {**given, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), VARIABLE: json.dumps(settings)}


def recording(options: Options, redaction: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that let a program record with these options.

    `redaction` has the `settings` of the store's table `[capture]` and a `choice`, as `redaction.configured` takes them.
    """
    stated = {"store": options.store, "mode": options.mode, "on_error": options.on_error, "label": options.label, "spans": options.spans}
    return {"begin": "runstore.capture.children:begin", **stated, "redaction": dict(redaction)}


def begin(settings: Mapping[str, Any]) -> None:
    """Put recording on in this process. The parent drains: no thread is started."""
    redact = configured(**settings["redaction"])
    options = Options(settings["store"], settings["mode"], settings["on_error"], dict(settings["label"]), redact, bool(settings["spans"]))
    instrumenting.begin(options, background=False, outer=True)
