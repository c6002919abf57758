"""What a session says in the end: what was recorded and what was not, how answers compare, what was pruned, which run was used where."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import pytest

from runstore.errors import RunstoreError
from runstore.pytestplugin.pruning import prune, prune_orphans
from runstore.reproduce.replay.replaying import AUTO, COMPARE, RECORD

_WIDTH = 60


def summarise(told: Sequence[Mapping[str, Any]], config: pytest.Config) -> list[str]:
    """Return the lines, after having pruned where that is asked for. `told` is what the reports of the tests tell."""
    by_file = {file: list(tests) for file, tests in groupby(sorted(told, key=lambda one: one["file"]), key=lambda one: one["file"])}
    report, pruning = config.getoption("runstore_report"), config.getoption("runstore_prune")
    lines = []
    for file, tests in by_file.items():
        found = [line for test in tests for line in _of_test(test)]
        if report:
            found += _runs(tests)
        if pruning:
            found += _guarded(lambda file=file, tests=tests: prune(file, tests))
        if found:
            lines += [_path(file, config), *(f"  {line}" for line in found)]
    if pruning:
        for directory in sorted({os.path.dirname(file) for file in by_file}):
            lines += [f"{_path(file, config)}: removed, there is no such module" for file in prune_orphans(directory)]
    return lines


def _guarded(make: Any) -> list[str]:
    try:
        return list(make())
    except RunstoreError as error:
        return [f"not pruned: {error}"]


def _of_test(test: Mapping[str, Any]) -> Iterable[str]:
    name, taken = test["test"], test.get("taken", 0)
    if test["mode"] in (AUTO, RECORD):
        written = test.get("written")
        if written and (taken or written != "recorded as before"):
            yield f"{name}: {written}" + (f", {_calls(taken)}" if taken else "")
        elif taken and test["state"] != "passed":
            why = "failed" if test["state"] == "failed" else "did not pass"
            yield f"{name}: {_calls(taken)} not recorded, since it {why}; --runstore-keep-failed records them"
        for secret in test.get("secrets", ()):
            yield f"{name}: CAREFUL, what looks like a secret was recorded: {secret}"
    elif test["mode"] == COMPARE and "compared" in test:
        agreed, differences, unknown = test["compared"]
        yield f"{name}: {agreed} answered as recorded, {len(differences)} otherwise, {unknown} not recorded before"
        for number, old, new in differences:
            yield f"  call {number}: {old!r} → {new!r}"
    for status, count in test.get("unserved", {}).items():
        yield f"{name}: {_calls(count)} of status {status} not recorded: only complete answers can be given again"


def _runs(tests: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for test in tests:
        for run, model, where, answer in test.get("runs", ()):
            by = "" if where.rpartition(" call ")[0] == test["test"].replace("::", "/") else f" ({where})"
            yield f"{test['test']}: {run} {model}{by}: {answer[:_WIDTH]}"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _path(file: str, config: pytest.Config) -> str:
    root = str(config.rootpath) + os.sep
    return file.removeprefix(root)
