"""The arguments of a tool's call: by the signature, and different wherever the function is given something different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runstore
from runstore.capture.strictjson import plain_json
from runstore.capture.tools import Arguments
from runstore.errors import NotRecorded
from tests.capture.tools.test_tools import executions, recording

given_to: list[Any] = []


@runstore.tool
def filed(place: str, /, **more: Any) -> list[Any]:
    """Take a name by place, and the same name by key."""
    return [place, more]


@runstore.tool
def classified(text: str, cls: str) -> list[str]:
    """Have a parameter `cls` and no class."""
    return [text, cls]


@runstore.tool
def selfish(self: str) -> str:
    """Have a parameter `self` and no class."""
    return self


class Library:
    """Has a tool."""

    @runstore.tool
    def search(self, place: str, /, **more: Any) -> list[Any]:
        """Take `self` by place, and by key."""
        return ["library", place, more]


class Archive:
    """Has a tool of the same name."""

    @runstore.tool
    def search(self, place: str, /, **more: Any) -> list[Any]:
        """See `Library`."""
        return ["archive", place, more]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: filed("a", place="c"), lambda: filed("b", place="c")),
        (lambda: filed("a", place="c"), lambda: filed("a", more={"place": "c"})),
        (lambda: filed("a", self="c"), lambda: filed("a", self="d")),
        (lambda: classified("a", "c"), lambda: classified("a", "d")),
        (lambda: selfish("a"), lambda: selfish("b")),
        (lambda: Library().search("a", self="c"), lambda: Library().search("a", self="d")),
        (lambda: Library().search("a"), lambda: Archive().search("a")),
    ],
)
def test_no_argument_hides_another(tmp_path: Path, one: Any, other: Any) -> None:
    """Calls with different arguments are different calls, whatever the names of their parameters."""
    with recording(tmp_path / "store"):
        answers = [one(), other()]
    with runstore.replay(store=tmp_path / "store"):
        assert [one(), other()] == answers
    assert answers[0] != answers[1]


def test_a_call_that_does_not_fit_is_answered_with_its_error(tmp_path: Path) -> None:
    """A model calls a tool wrongly, and goes on with what Python says: the same with and without a record, and in replay."""
    misfit: Any = classified
    said = []
    for mode in ("off", "record", "replay"):
        with runstore.replay(mode, store=tmp_path / "store"), pytest.raises(TypeError) as caught:
            misfit("a", color="red")
        said.append(str(caught.value))
    assert said == ["classified() got an unexpected keyword argument 'color'"] * 3


def test_a_key_that_is_no_text_is_no_json(tmp_path: Path) -> None:
    """JSON would make a text of it, and of two calls one: such a call is not recorded, and a miss in replay that says why."""
    with recording(tmp_path / "store"):
        assert filed("a", found={1: "x"}) == ["a", {"found": {1: "x"}}]
        assert filed("a", found={"1": "x"}) == ["a", {"found": {"1": "x"}}]
    (one,) = executions(tmp_path / "store")
    assert one.run["history"][0]["arguments"] == {"place": "a", "found": {"1": "x"}}
    fact = "the argument found of the tool filed is no JSON: a key is a text, and 1 is not"
    with pytest.raises(NotRecorded, match=fact), runstore.replay(store=tmp_path / "store"):
        filed("a", found={1: "x"})


def _called(a: Any, /, b: Any = 1, *rest: Any, c: Any = 2, **more: Any) -> Any:
    given_to.append((a, b, list(rest), c, list(more.items())))


_NAMES = st.sampled_from(["a", "b", "c", "d", "rest", "more", "self"])
_VALUES = st.sampled_from([1, 2, "x", {"a": 1}, {"b": 2}])
_CALLS = st.tuples(st.lists(_VALUES, max_size=3), st.dictionaries(_NAMES, _VALUES, max_size=3))


@given(_CALLS, _CALLS)
def test_two_calls_have_one_text_if_the_function_is_given_the_same(one: Any, other: Any) -> None:
    """For any two calls: the texts agree exactly where what arrives agrees; one that does not fit agrees with none that does."""
    arguments = Arguments(_called, ())
    texts, arrived = [], []
    for args, options in (one, other):
        texts.append(plain_json(arguments.told(tuple(args), options)))
        given_to.clear()
        try:
            _called(*args, **options)
        except TypeError:
            arrived.append(("misfit", args, list(options.items())))
        else:
            arrived.append(given_to.pop())
    assert (texts[0] == texts[1]) is (arrived[0] == arrived[1])
