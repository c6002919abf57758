"""Between two compositions: the changes as a person names them, and every mix of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstore.model.trees import ABSENT
from runstore.query.textdiff import exactly_same
from runstore.reproduce.bisect.changes import Between, Change

_SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "a\nb", "b\na\nc", "One. Two. Three.", "One. Four."])
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4), max_leaves=8
)
_NAMED = st.fixed_dictionaries({"name": st.sampled_from("abc"), "x": _VALUES})
_MESSAGES = st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": _VALUES})
_SLOTS = st.fixed_dictionaries(
    {
        "prompt": st.just(ABSENT) | _VALUES,
        "parameters": st.just(ABSENT) | st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3),
        "documents": st.just(ABSENT) | st.lists(_NAMED, max_size=4),
        "tools": st.just(ABSENT) | st.lists(_NAMED, max_size=4),
        "history": st.lists(_MESSAGES, max_size=4),
    },
    optional={"output_format": _VALUES, "extra": st.dictionaries(st.sampled_from("abc"), _VALUES, min_size=1, max_size=3)},
)


def smallest(changes: tuple[Change, ...]) -> list[Change]:
    """Return the changes that have no parts."""
    return [leaf for change in changes for leaf in (smallest(change.parts) if change.parts else [change])]


@given(_SLOTS, _SLOTS)
def test_no_change_is_the_old_and_all_are_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The ends of the mixing are exactly the two compositions, to the order of keys; by the smallest changes too."""
    between = Between(old, new)
    for changes in (between.changes, smallest(between.changes)):
        none, everything = between.slots([]), between.slots(changes)
        assert all(exactly_same(none[name], value) for name, value in old.items() if value is not ABSENT)
        assert all(exactly_same(everything[name], value) for name, value in new.items() if value is not ABSENT)
        assert none.keys() == old.keys()
        assert everything.keys() == new.keys()


_FLAT = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), min_size=1)


@given(_FLAT, _FLAT, st.data())
def test_a_mix_has_what_was_chosen(old: dict[str, int], new: dict[str, int], data: st.DataObject) -> None:
    """Of each key that differs a mix holds the side that was chosen, and all that is the same."""
    between = Between({"parameters": old}, {"parameters": new})
    chosen = [change for change in between.changes if data.draw(st.booleans())]
    keys = {change.place.partition(".")[2] for change in chosen}
    wanted = {key: side[key] for key in {*old, *new} if key in (side := new if key in keys else old)}
    assert between.slots(chosen)["parameters"] == wanted


OLD: dict[str, Any] = {
    "model": {"api": "openai.chat", "name": "gpt-4o"},
    "prompt": "You are terse.\nAnswer in one word.\nBe kind.",
    "parameters": {"temperature": 0, "reasoning": {"effort": "low"}},
    "documents": [{"title": "Sums", "text": "Two and two are four."}, {"title": "Hours", "text": "Nine."}],
    "tools": [{"name": "add", "description": "Add."}, {"name": "look", "description": "Look."}],
    "history": [{"role": "user", "content": "First. Second. Third."}, {"role": "user", "content": "x"}],
}


@pytest.mark.parametrize(
    ("slot", "value", "places"),
    [
        ("prompt", "You are terse.\nAnswer in one line.\nBe kind.", ["prompt line 2 changed"]),
        ("prompt", "Begin.\nYou are terse.\nAnswer in one word.", ["prompt line 1 added", "prompt line 3 removed"]),
        (
            "parameters",
            {"temperature": 1, "reasoning": {"effort": "high"}},
            ["parameters.reasoning.effort changed", "parameters.temperature changed"],
        ),
        ("model", {"api": "openai.chat", "name": "o3"}, ["model.name changed"]),
        ("tools", [OLD["tools"][1], OLD["tools"][0]], ["tools reordered"]),
        ("tools", [OLD["tools"][0]], ["tools.look removed"]),
        ("tools", [{"name": "add", "description": "Sum."}, OLD["tools"][1]], ["tools.add.description changed"]),
        ("documents", [OLD["documents"][0], {"title": "Hours", "text": "Ten."}], ["documents.Hours.text changed"]),
        ("history", [{"role": "user", "content": "First. Fourth. Third."}, OLD["history"][1]], ["history/0.content, sentence 2 changed"]),
        ("history", [OLD["history"][0]], ["history/1 removed"]),
        ("documents", ABSENT, ["documents.Sums removed", "documents.Hours removed"]),
    ],
)
def test_changes_are_named_as_people_do(slot: str, value: Any, places: list[str]) -> None:
    """Lines of the prompt, parameters by path, tools by name, documents by title, messages by place and sentence."""
    assert sorted(f"{change.place} {change.kind}" for change in Between(OLD, {**OLD, slot: value}).changes) == sorted(places)


def test_what_changed_in_several_places_has_parts() -> None:
    """A stretch of lines, or a tool in which two keys differ, is one change to begin with; its parts are the lines and keys."""
    tools = [{"name": "add", "description": "Sum.", "strict": True}, {"name": "look", "description": "Watch."}]
    between = Between(OLD, {**OLD, "tools": tools, "prompt": "You are long.\nAnswer at length.\nBe kind."})
    assert [(change.place, len(change.parts)) for change in between.changes] == [
        ("prompt line 1", 0),
        ("prompt line 2", 0),
        ("tools.add", 2),
        ("tools.look.description", 0),
    ]
