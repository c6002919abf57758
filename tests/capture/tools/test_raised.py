"""Errors of tools: recorded as they are, and raised again as what they were, as far as that can be made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runstore.capture.raised import ToolFailed, remade, told


class Outer:
    """Holds an error."""

    class Inner(Exception):
        """An error within a class."""


class Coded(Exception):
    """An error that is made of other arguments than those that it keeps."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(f"{code}: {text}")


class Worded(Exception):
    """An error that would say something else if it was made of the arguments that it keeps."""

    def __init__(self, text: str) -> None:
        super().__init__(f"<{text}>")


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


class Needing(Exception):
    """An error that cannot be made of what is recorded."""

    def __new__(cls, *args: Any, key: str) -> Needing:
        """Ask for a key."""
        return super().__new__(cls, *args)

    def __init__(self, *args: Any, key: str) -> None:
        super().__init__(*args)


def recorded(error: Exception) -> Exception:
    """Return an error as it comes back from JSON."""
    return remade("ask", json.loads(json.dumps(told(error))))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("a"),
        Outer.Inner("no", 1),
        Coded(5, "x"),
        Worded("x"),
        TimeoutError(),
        ValueError({1: 2}),
        ValueError(object),
    ],
)
def test_an_error_comes_back_as_it_was(error: Exception) -> None:
    """Its class and what it says: of a class within a class, of one that keeps other arguments than it takes, of one with no JSON."""
    again = recorded(error)
    assert (type(again), str(again)) == (type(error), str(error))


def test_an_error_that_cannot_say_what_it_is_is_of_its_class() -> None:
    """What it says is then the name of its class."""
    assert told(Speechless())["message"] == "Speechless"
    assert isinstance(recorded(Speechless()), Speechless)


def test_the_class_counts_more_than_the_words() -> None:
    """A program catches classes: one of the class that says less goes before an error of ours."""
    again = recorded(FileNotFoundError(2, "No such file or directory", "notes.txt"))
    assert type(again) is FileNotFoundError


def test_what_cannot_be_made_is_an_error_that_says_so() -> None:
    """A class that is not loaded, or that takes more than is recorded: the hint says which."""

    class Local(Exception):
        pass

    again = recorded(Local("no"))
    assert isinstance(again, ToolFailed)
    assert str(again).endswith("Local: no")
    assert again.hint == "the class of the error is not loaded here"
    again = recorded(Needing("no", key="k"))
    assert isinstance(again, ToolFailed)
    assert again.hint == "the class of the error needs more to be made than was recorded"


@pytest.mark.parametrize(
    "kind", ["", "a", "builtins", "builtins.print", "builtins.SystemExit", "os.path.join", "json.loads", "nowhere.E", None, 3]
)
def test_a_record_cannot_name_anything_but_an_error(kind: Any) -> None:
    """What is called on a record's word is the class of an error, and nothing else."""
    assert isinstance(remade("ask", {"type": kind, "message": "x", "args": ["x"]}), ToolFailed)
    assert isinstance(remade("ask", {"type": "builtins.ValueError", "message": "x", "args": 3}), ToolFailed)
