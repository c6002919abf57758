"""docs/design/acceptance.md is true to the tests: what its rows name is there, and is run where the row says so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.transcripts import ROOT

PAGE = ROOT / "docs" / "design" / "acceptance.md"


class Row(NamedTuple):
    """One thing that is asked, the command that shows it, and what that said."""

    asked: str
    shown_by: str
    result: str


def rows() -> list[Row]:
    """Return the rows of all tables of the page."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and not line.startswith("| asked")]
    return [Row(*(cell.strip().strip("`") for cell in line.strip("|").split(" | "))) for line in lines]


@cache
def kept_for_soak(path: Path) -> dict[str, bool]:
    """Return the tests of a file, each with whether it runs only as soak, by name; a class is named before its tests."""
    marked = {}
    module = ast.parse(path.read_text(encoding="utf-8"))
    whole = any(isinstance(node, ast.Assign) and "pytestmark" in ast.dump(node) and "soak" in ast.dump(node) for node in module.body)
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            marked[node.name] = whole or any(ast.unparse(one) == "pytest.mark.soak" for one in node.decorator_list)
    return marked


def targets(row: Row) -> list[str]:
    """Return the files and tests that the command names."""
    return [word for word in row.shown_by.split() if word.startswith("tests/")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.asked[:60])
def test_a_row_names_what_is_there(row: Row) -> None:
    """The command of a row leads to tests or programs that exist, and a quick one is not left out by `pytest`."""
    assert re.match(r"holds|short|missing", row.result), row
    if row.result == "missing":
        return
    if not row.shown_by.startswith("pytest"):
        assert row.shown_by.startswith(("python -m benchmarks", ".ci/run", "runstore ")), row
        return
    assert targets(row), row
    for target in targets(row):
        name, _, test = target.partition("::")
        path = ROOT / name
        assert path.exists(), target
        if test:
            assert test.partition("::")[0] in kept_for_soak(path), target
            assert "-m soak" in row.shown_by or not kept_for_soak(path)[test.partition("::")[0]], target


def test_no_issue_stands_without_rows() -> None:
    """Each heading of an issue has rows below it."""
    parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert parts
    assert all(re.search(r"^\| .* \| .* \| (holds|short|missing)", part, re.MULTILINE) for part in parts)
