"""The documentation of the command line against the program."""

import re
from pathlib import Path

import pytest

from runstore import errors
from runstore.cli import errors as codes
from runstore.cli.registry import COMMANDS
from tests.cli.commands_page import PAGE, help_of, page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_commands_is_what_the_program_says() -> None:
    """docs/commands.md is the help of every command; after a change: python -m tests.cli.commands_page."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_fits_a_screen_and_ends_with_examples(name: str | None) -> None:
    """Help is at most 100 columns wide, and a command's help shows how it is typed."""
    text = help_of(name)
    assert max(map(len, text.splitlines())) <= 100
    assert name is None or "\nExamples:\n  runstore " in text


def _documented() -> dict[int, str]:
    rows = re.findall(r"^\| (\d+) \| (.*) \| ?([^|]*)\|$", (DOCS / "exit-codes.md").read_text(), re.MULTILINE)
    return {int(code): classes for code, _, classes in rows}


def test_every_exception_has_its_documented_exit_code() -> None:
    """Each exception of the library stands in docs/exit-codes.md under the code with which the program ends."""
    documented = _documented()
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.RunstoreError)]
    for kind in classes:
        if kind is errors.RunstoreError:
            continue
        error = kind("x", candidates=[]) if issubclass(kind, errors.Ambiguous) else kind("x")
        assert f"`{kind.__name__}`" in documented[codes.exit_code(error)], kind


def test_every_code_of_the_program_is_documented() -> None:
    """No command ends with a code that the page does not explain."""
    used = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, int)}
    assert used <= _documented().keys()
