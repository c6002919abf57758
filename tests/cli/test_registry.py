"""The table of commands against the commands."""

import inspect
from pathlib import Path

import pytest

from runstore.cli import commands
from runstore.cli.declare import GLOBAL
from runstore.cli.registry import COMMANDS, load, split_name
from tests.cli.conftest import Cli


def test_every_module_of_a_command_stands_in_the_table() -> None:
    """A command that is not in the table could not be called; a name without a module would fail when called."""
    modules = {path.stem for path in Path(next(iter(commands.__path__))).glob("*.py")} - {"__init__"}
    assert modules == {name.replace(" ", "_").replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_declares_what_its_function_takes(name: str) -> None:
    """The parameters of the declaration are the keywords of the function, so that no command line can fail to reach it."""
    command = load(name)
    signature = inspect.signature(command.run)
    declared = [parameter.name for parameter in command.parameters]
    assert len(set(declared)) == len(declared)
    assert not set(declared) & {parameter.name for parameter in GLOBAL}
    keywords = {key for key, one in signature.parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.parameters.values())
    assert keywords <= set(declared) if takes_any else keywords == set(declared)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(name: str) -> None:
    """Help opens with a sentence, and the examples are command lines of that command."""
    command = load(name)
    assert command.help.split("\n\n")[0].rstrip().endswith(".")
    assert command.examples
    assert all(f"runstore {name}" in line for line in command.examples.splitlines())
    assert all(parameter.help for parameter in command.parameters if parameter.form != "argument")


def test_names_of_two_words_go_before_names_of_one() -> None:
    """`reflog expire` is a command of its own, and `reflog main` is `reflog` of a ref."""
    assert split_name(["reflog", "expire", "x"]) == ("reflog expire", ["x"])
    assert split_name(["reflog", "main"]) == ("reflog", ["main"])
    assert split_name(["nothing"]) == (None, ["nothing"])


def test_the_first_of_two_words_has_help_of_its_own(cli: Cli) -> None:
    """`runstore import --help` lists the commands that begin so, each with its sentence."""
    told = cli("import", "--help").out
    assert told == cli("import", "-h").out
    assert told.startswith("Usage: runstore import ")
    listed = [line.split("  ")[1] for line in told.splitlines() if line.startswith("  import ")]
    assert listed == [name for name in COMMANDS if name.startswith("import ")]
