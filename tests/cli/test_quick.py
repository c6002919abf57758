"""The quick parser against click: what the one accepts, the other reads in the same way."""

from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.cli import clicked, quick
from runstore.cli.declare import GLOBAL, Command, Parameter
from runstore.cli.registry import COMMANDS, load


def read_by_click(argv: list[str]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the command, the global options and the values that click reads. Raises click's errors."""
    program = clicked.Program()
    outer = program.make_context("runstore", list(argv))
    name, command, rest = program.resolve_command(outer, [*outer._protected_args, *outer.args])
    assert name is not None
    assert command is not None
    inner = command.make_context(name, list(rest), parent=outer)
    values = dict(inner.params)
    common = {one.name: values.pop(one.name) or outer.params.get(one.name) for one in GLOBAL}
    return name, common, values


LINES = [
    ["show", "main"],
    ["show", "main", "prompt", "--json"],
    ["--store", "s", "show", "main"],
    ["show", "--store", "t", "main"],
    ["--store=s", "show", "main", "--store=t"],
    ["log"],
    ["log", "--limit", "5", "main", "a..b", "--oneline"],
    ["log", "-n", "5", "--where", "a=1", "--where=b=2", "--graph"],
    ["add", "-", "--json"],
    ["add", "--model", "m", "--parameter", "a=1", "--parameter", "b==", "--output", ""],
    ["ref", "set", "x", "main", "-m", "why"],
    ["import", "conversations", "a", "b"],
    ["reflog"],
    ["reflog", "main"],
    ["reflog", "expire", "--before", "now"],
    ["hash", "--kind", "value", "f"],
    ["cat", "--", "--odd"],
    ["undo", "--actor", "me"],
]


@pytest.mark.parametrize("argv", LINES, ids=" ".join)
def test_plain_command_lines_are_read_as_click_reads_them(argv: list[str]) -> None:
    """Ordinary command lines take the quick way, with the values that click would give."""
    parsed = quick.parse(argv)
    assert parsed is not None
    assert (parsed.name, parsed.common, parsed.values) == read_by_click(argv)


UNUSUAL = [
    [],
    ["--help"],
    ["show"],
    ["show", "a", "b", "c"],
    ["show", "--help"],
    ["show", "--jso"],
    ["nothing"],
    ["ref"],
    ["log", "--limit", "x"],
    ["log", "--limit", "-1"],
    ["log", "--limit"],
    ["log", "--status", "bad"],
    ["log", "--oneline=1"],
    ["log", "-n5"],
    ["import", "conversations"],
    ["--store"],
]


@pytest.mark.parametrize("argv", UNUSUAL, ids=" ".join)
def test_everything_else_is_left_to_click(argv: list[str]) -> None:
    """Help, mistakes and joined options are not the quick parser's business."""
    assert quick.parse(argv) is None


def _words(command: Command) -> st.SearchStrategy[list[str]]:
    flags = [flag for parameter in (*command.parameters, *GLOBAL) for flag in parameter.flags]
    word = st.sampled_from(["", "-", "--", "a", "a=b", "5", "-5", "blob", "ok", "é", *flags, *(f"{flag}=x" for flag in flags)])
    return st.lists(word, max_size=6)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_accepted_click_reads_in_the_same_way(data: st.DataObject) -> None:
    """For any words after any command: if the quick parser understands them, click does too, with equal values."""
    name = data.draw(st.sampled_from(sorted(COMMANDS)))
    argv = [*name.split(), *data.draw(_words(load(name)))]
    parsed = quick.parse(argv)
    if parsed is not None:
        try:
            assert (parsed.name, parsed.common, parsed.values) == read_by_click(argv)
        except click.ClickException as error:
            raise AssertionError(f"click refuses {argv}: {error.format_message()}") from error


def test_a_parameter_that_is_not_given_has_its_default() -> None:
    """None for texts and numbers, False for flags, nothing for what may be many."""
    forms = [Parameter("flag", "f"), Parameter("option", "o"), Parameter("number", "n"), Parameter("argument", "a", many=True)]
    assert [one.default for one in forms] == [False, None, None, ()]
