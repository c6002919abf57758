"""Several runs side by side, and one log by what changed in it."""

from __future__ import annotations

import pytest

from runstore.errors import InvalidInput
from runstore.query.compare import changes_along, compare, first_difference
from tests.query.conftest import Archive


def test_groups_tell_who_holds_the_same(archive: Archive) -> None:
    """Sides with the same content have one number, in the order in which contents come; only what differs has parts."""
    links = [archive.add("a", slots={"prompt": prompt}) for prompt in ("x", "y", "x")]
    with archive.read() as reader:
        found = compare(reader, links)
    rows = {row.slot: row for row in found.rows}
    assert rows["prompt"].groups == (0, 1, 0)
    assert not rows["model"].differs
    assert not found.equal


def test_parts_of_settings_and_tools(archive: Archive) -> None:
    """Of settings the keys are named that differ, of tools the names; a side that has none has no number."""
    one = archive.add("a", slots={"parameters": {"temperature": 0, "seed": 7}, "tools": [{"name": "f"}, {"name": "g"}]})
    other = archive.add("a", slots={"parameters": {"temperature": 1, "seed": 7}, "tools": [{"name": "g"}]})
    third = archive.add("a", slots={"parameters": False, "tools": [{"name": "g", "description": "x"}]})
    with archive.read() as reader:
        rows = {row.slot: row for row in compare(reader, [one, other, third]).rows}
    assert [(part.name, part.values) for part in rows["parameters"].parts] == [("seed", (7, 7, None)), ("temperature", (0, 1, None))]
    assert [(part.name, part.groups) for part in rows["tools"].parts] == [("f", (0, None, None)), ("g", (0, 0, 1))]
    assert rows["parameters"].states == ("present", "present", "absent")


def test_empty_settings_are_no_key(archive: Archive) -> None:
    """Where settings became empty, or empty ones absent, the keys that went are named, and no key without a name."""
    links = [archive.add("a", slots={"parameters": value}) for value in ({"seed": 7}, {}, False)]
    with archive.read() as reader:
        found = [part.name for row in compare(reader, links).rows for part in row.parts]
        changed = [change.slots for change in changes_along(reader, links[-1])]
    assert found == ["seed"]
    assert changed == [("parameters",), ("parameters.seed",)]


def test_one_thing_is_not_compared(archive: Archive) -> None:
    """Fewer than two is an error."""
    link = archive.add()
    with archive.read() as reader, pytest.raises(InvalidInput):
        compare(reader, [link])


def test_a_log_by_what_changed(archive: Archive) -> None:
    """Of a log those executions are told at which something other than the conversation changed, with the keys of settings."""
    archive.ask("a")
    archive.ask("b")
    changed = archive.add(slots={"prompt": "Other.", "parameters": {"temperature": 0.5, "seed": 7}})
    last = archive.add(slots={"prompt": "Other.", "parameters": {"temperature": 0.5, "seed": 7}}, output="5")
    with archive.read() as reader:
        found = list(changes_along(reader, last))
    assert [(one.link, one.slots) for one in found] == [(changed, ("prompt", "parameters.temperature"))]


def test_a_log_with_a_merge(archive: Archive) -> None:
    """A merge changes nothing: the execution after it is compared with the one before it."""
    archive.merge(archive.ask("a", ref="a"), archive.ask("b", ref="b"))
    after = archive.ask("c")
    with archive.read() as reader:
        assert list(changes_along(reader, after)) == []


def test_the_first_difference_of_outputs() -> None:
    """Where two outputs part is told by message and character; equal outputs have no difference."""
    old, new = [{"role": "assistant", "content": "It is four."}], [{"role": "assistant", "content": "It is five."}]
    assert first_difference(old, new) == "message 0, character 7: “It is four.” → “It is five.”"
    assert first_difference(old, old) is None
    assert first_difference(old, [*old, *old]) == "1 → 2 messages"
