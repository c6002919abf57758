"""The quick parser: reads command lines that are plain, and leaves every other to click.

It never guesses and never reports: for a command line with anything unusual in it (a mistake, `--help`, short options joined together) it
returns None. What it does accept means what click would make of it; tests/cli/test_quick.py compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runstore.cli.declare import GLOBAL, Command, Parameter
from runstore.cli.registry import load, split_name


class Parsed:
    """A command line that was understood: the command and the values by parameter name, those of the global options apart."""

    __slots__ = ("command", "common", "name", "values")

    def __init__(self, name: str, command: Command, common: dict[str, Any], values: dict[str, Any]) -> None:
        self.name = name
        self.command = command
        self.common = common
        self.values = values


def parse(argv: Sequence[str]) -> Parsed | None:
    """Return what a plain command line says, or None if click must look at it."""
    common: dict[str, Any] = {parameter.name: None for parameter in GLOBAL}
    options = {flag: parameter for parameter in GLOBAL for flag in parameter.flags}
    at = _leading(argv, options, common)
    name, words = split_name(argv[at:]) if at is not None else (None, ())
    if name is None:
        return None
    command = load(name)
    for parameter in command.parameters:
        options.update(dict.fromkeys(parameter.flags, parameter))
    values = {parameter.name: parameter.default for parameter in command.parameters}
    positional = _options(words, options, values | common, stop=command.program)
    if positional is None:
        return None
    found, rest = positional
    for parameter in GLOBAL:
        common[parameter.name] = found.pop(parameter.name)
    if "" in common.values() or not _arguments(command, rest, found):
        return None
    return Parsed(name, command, common, found)


def _leading(argv: Sequence[str], options: dict[str, Parameter], common: dict[str, Any]) -> int | None:
    """Read the global options before the command's name; return where that stands."""
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        taken = _take(argv, at, options, common)
        if taken is None:
            return None
        at = taken
    return at if at < len(argv) else None


def _options(
    words: Sequence[str], options: dict[str, Parameter], values: dict[str, Any], *, stop: bool
) -> tuple[dict[str, Any], list[str]] | None:
    """Read options and arguments; with `stop` the first argument ends the options."""
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            rest.extend(words[at + 1 :])
            break
        if word.startswith("-") and word != "-":
            taken = _take(words, at, options, values)
            if taken is None:
                return None
            at = taken
        elif stop:
            rest.extend(words[at:])
            break
        else:
            rest.append(word)
            at += 1
    return values, rest


def _take(words: Sequence[str], at: int, options: dict[str, Parameter], values: dict[str, Any]) -> int | None:
    """Read the option at a position into `values`; return the position after it."""
    flag, equals, text = words[at].partition("=")
    parameter = options.get(flag)
    if parameter is None or (equals and not flag.startswith("--")):
        return None
    if parameter.form == "flag":
        if equals:
            return None
        values[parameter.name] = True
        return at + 1
    if not equals:
        at += 1
        if at == len(words) or (words[at].startswith("-") and words[at] != "-"):
            return None
        text = words[at]
    return at + 1 if _store(parameter, text, values) else None


def _store(parameter: Parameter, text: str, values: dict[str, Any]) -> bool:
    if parameter.choices and text not in parameter.choices:
        return False
    if parameter.form == "number":
        if not (text.isascii() and text.isdigit()):
            return False
        values[parameter.name] = int(text)
    elif parameter.many:
        values[parameter.name] = (*values[parameter.name], text)
    else:
        values[parameter.name] = text
    return True


def _arguments(command: Command, words: list[str], values: dict[str, Any]) -> bool:
    for parameter in command.parameters:
        if parameter.form != "argument":
            continue
        if parameter.many:
            values[parameter.name], words = tuple(words), []
            if parameter.required and not values[parameter.name]:
                return False
        elif words:
            values[parameter.name] = words.pop(0)
        elif parameter.required:
            return False
    return not words
