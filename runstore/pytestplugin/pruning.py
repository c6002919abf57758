"""Pruning: recordings that no test used go, if all tests of the module ran and none failed. What goes is told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runstore.reproduce.recordings.files import Recordings, change
from runstore.reproduce.recordings.kept import Kept
from runstore.reproduce.recordings.names import SUFFIX, module_of, shown
from runstore.reproduce.replay.replaying import AUTO, RECORD, REPLAY


def prune(file: str, tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Remove from a file what its tests did not use; return what went, or why nothing did. Raises what `change` raises."""
    reason = _against(tests)
    if not os.path.exists(file):
        return []
    if reason:
        return [f"not pruned: {reason}"]
    used = {execution for test in tests for execution in test.get("used", ())}
    spared = {test["ref"] for test in tests if test["state"] == "not run" or test["mode"] not in (REPLAY, AUTO, RECORD)}
    gone: list[str] = []

    def make(old: Recordings) -> Mapping[str, Sequence[Kept]]:
        changed = {}
        for ref, calls in old.calls.items():
            left = [number for number, call in enumerate(calls, 1) if ref not in spared and call.object.id.hex() not in used]
            if left:
                which = "" if len(left) == len(calls) else f" call {', '.join(map(str, left))}"
                gone.append(f"pruned: {shown(ref)}{which}")
                changed[ref] = [old.kept(call) for number, call in enumerate(calls, 1) if number not in left]
        return changed

    change(file, make)
    return gone


def prune_orphans(directory: str) -> Iterable[str]:
    """Remove the files of recordings whose modules are not there; return them."""
    gone = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        file = os.path.join(directory, name)
        if name.endswith(SUFFIX) and not name.startswith(".") and not any(map(os.path.exists, module_of(file))):
            os.unlink(file)
            gone.append(file)
    return gone


def _against(tests: Sequence[Mapping[str, Any]]) -> str | None:
    failed = [test["test"] for test in tests if test["state"] == "failed"]
    if failed:
        return f"{failed[0]} failed"
    if any(test["partial"] for test in tests) or len(tests) < max(test["of"] for test in tests):
        return "not all tests of the module ran"
    return None
