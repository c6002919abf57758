"""Differences: equal or not by links, and what is shown of each kind of component."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runstore.errors import NotFound
from runstore.model.lists import build
from runstore.query.diff import Component, Diff, diff, unified
from runstore.query.lists import Cursor
from runstore.query.textdiff import diff_keys, diff_text
from tests.query.conftest import Archive


def compare(archive: Archive, old: dict[str, Any], new: dict[str, Any], **fields: Any) -> Diff:
    """Record two runs and compare their executions."""
    one = archive.add("a", slots=old)
    other = archive.add("b", slots=new, **fields)
    with archive.read() as reader:
        return diff(reader, one, other)


def only(found: Diff) -> Component:
    """Return the one component that differs."""
    (component,) = found.components
    return component


def test_equal(archive: Archive) -> None:
    """Two executions of one run with one output are equal, whatever time and actor say."""
    assert compare(archive, {}, {}, actor="another", notes={"a": 1}).equal


def test_runtime_and_output(archive: Archive) -> None:
    """The runtime and the output count; each is a component."""
    found = compare(archive, {}, {"runtime": {"model": "other"}}, output="5")
    assert [component.slot for component in found.components] == ["runtime", "output"]
    assert not found.equal


def test_runs_are_compared_without_outputs(archive: Archive) -> None:
    """Where a run was named and not an execution, no output is compared."""
    one = archive.ask("x", "yes")
    other = archive.ask("x", "no")
    with archive.read() as reader:
        assert diff(reader, archive.run_of(one), other).equal
        assert only(diff(reader, one, other)).slot == "output"


def test_status(archive: Archive) -> None:
    """A status that differs is a component of its own."""
    component = only(compare(archive, {}, {}, status="error"))
    assert component.slot == "status"
    assert [(change.old, change.new) for change in component.keys] == [("ok", "error")]


@pytest.mark.parametrize(
    ("old", "new", "states"),
    [
        (False, None, ("absent", "unknown")),
        (None, ["x"], ("unknown", "present")),
        (["x"], False, ("present", "absent")),
        ([], False, ("present", "absent")),
    ],
)
def test_states(archive: Archive, old: Any, new: Any, states: tuple[str, str]) -> None:
    """Absent, unknown and an empty list are three things."""
    component = only(compare(archive, {"documents": old}, {"documents": new}))
    assert (component.old_state, component.new_state) == states


def test_slot_that_one_side_does_not_state(archive: Archive) -> None:
    """A further slot that one run does not state is told as unstated, with its content."""
    component = only(compare(archive, {}, {"output_format": {"type": "object"}}))
    assert (component.slot, component.old_state, component.new_state) == ("output_format", "unstated", "present")
    assert [(key.path, key.change, key.new) for key in component.keys] == [("type", "added", "object")]


def test_a_schema_is_told_by_keys(archive: Archive) -> None:
    """What a schema for the answer, or a field that only one provider has, holds differently is told by its path."""
    old, new = ({"schema": {"properties": {"a": {"type": kind}}}} for kind in ("string", "number"))
    component = only(compare(archive, {"output_format": old}, {"output_format": new}))
    assert [(key.path, key.old, key.new) for key in component.keys] == [("schema.properties.a.type", "string", "number")]


def test_prompt_by_lines(archive: Archive) -> None:
    """A prompt is compared line by line, in hunks with three lines around."""
    lines = [f"line {number}" for number in range(30)]
    changed = [*lines[:10], "new", *lines[11:25], *lines[26:]]
    component = only(compare(archive, {"prompt": "\n".join(lines)}, {"prompt": "\n".join(changed)}))
    assert component.text is not None
    assert list(unified(component.text)) == [
        "@@ -8,7 +8,7 @@",
        *[f" line {number}" for number in (7, 8, 9)],
        "-line 10",
        "+new",
        *[f" line {number}" for number in (11, 12, 13)],
        "@@ -23,7 +23,6 @@",
        *[f" line {number}" for number in (22, 23, 24)],
        "-line 25",
        *[f" line {number}" for number in (26, 27, 28)],
    ]
    assert (component.text.removed, component.text.added) == (2, 1)


def test_prompt_as_messages(archive: Archive) -> None:
    """A prompt that is a list of messages is compared by its text, with the role above."""
    old = [{"role": "system", "content": "Be kind.\nBe brief."}]
    new = [{"role": "system", "content": "Be kind.\nBe exact."}]
    component = only(compare(archive, {"prompt": old}, {"prompt": new}))
    assert component.text is not None
    assert [line for sign, line in component.text.hunks[0].lines if sign != " "] == ["Be brief.", "Be exact."]


def test_prompt_whose_text_is_the_same(archive: Archive) -> None:
    """Where only what is no text differs, that is shown all the same."""
    old = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    component = only(compare(archive, {"prompt": old}, {"prompt": [{"type": "text", "text": "Hi"}]}))
    assert component.text is not None
    assert any("ephemeral" in line for _, line in component.text.hunks[0].lines)


def test_order_of_keys_alone(archive: Archive) -> None:
    """Content whose keys stand in another order is not the same, and the difference is told."""
    component = only(compare(archive, {"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1}}))
    assert (component.text and component.text.hunks) or [change.change for change in component.keys] == ["reordered"]


def test_parameters_by_keys(archive: Archive) -> None:
    """Settings are compared key by key, at every depth."""
    old = {"temperature": 0, "seed": 7, "options": {"top_k": 1, "stop": ["a"]}}
    new = {"temperature": 0.5, "top_p": 1, "options": {"top_k": 1, "stop": ["a", "b"]}}
    component = only(compare(archive, {"parameters": old}, {"parameters": new}))
    assert {(change.path, change.change, str(change.old), str(change.new)) for change in component.keys} == {
        ("temperature", "changed", "0", "0.5"),
        ("seed", "removed", "7", "None"),
        ("top_p", "added", "None", "1"),
        ("options.stop", "changed", "['a']", "['a', 'b']"),
    }


def openai(name: str, **schema: Any) -> dict[str, Any]:
    """Return a tool in OpenAI's shape."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", **schema}}}


def anthropic(name: str, **schema: Any) -> dict[str, Any]:
    """Return a tool in Anthropic's shape."""
    return {"name": name, "input_schema": {"type": "object", **schema}}


def bedrock(name: str, **schema: Any) -> dict[str, Any]:
    """Return a tool in Bedrock's shape."""
    return {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object", **schema}}}}


@pytest.mark.parametrize("make", [openai, anthropic, bedrock])
def test_tools_by_name(archive: Archive, make: Any) -> None:
    """Tools are matched by name in each API's shape: added, removed, changed with the keys, reordered."""
    old = [make("search"), make("book"), make("cancel")]
    new = [make("cancel"), make("search", required=["q"]), make("pay")]
    tools = only(compare(archive, {"tools": old}, {"tools": new})).tools
    assert tools is not None
    assert (tools.added, tools.removed) == (("pay",), ("book",))
    assert [change.name for change in tools.changed] == ["search"]
    assert tools.changed[0].keys[0].path.endswith("required")
    assert tools.reordered


def test_tools_of_gemini(archive: Archive) -> None:
    """Gemini's grouped declarations are tools of their own; a hosted tool goes by its key."""
    old = [{"functionDeclarations": [{"name": "search"}, {"name": "book"}]}]
    new = [{"functionDeclarations": [{"name": "search", "description": "finds"}]}, {"googleSearch": {}}]
    tools = only(compare(archive, {"tools": old}, {"tools": new})).tools
    assert tools is not None
    assert (tools.added, tools.removed, [change.name for change in tools.changed]) == (("googleSearch",), ("book",), ["search"])


@pytest.mark.parametrize("new", [[openai("b"), openai("a")], [{"functionDeclarations": [{"name": "a"}]}]])
def test_tools_in_another_arrangement(archive: Archive, new: list[Any]) -> None:
    """The same tools in another order or grouping are reordered, and nothing else."""
    old = [openai("a"), openai("b")] if len(new) == 2 else [{"function_declarations": [{"name": "a"}]}]
    tools = only(compare(archive, {"tools": old}, {"tools": new})).tools
    assert tools is not None
    assert (tools.added, tools.removed, tools.changed, tools.reordered) == ((), (), (), True)


def messages(*texts: str) -> list[dict[str, str]]:
    """Return user messages with these texts."""
    return [{"role": "user", "content": text} for text in texts]


def test_history_that_goes_on(archive: Archive) -> None:
    """A history that was continued differs from its end on: messages were added."""
    old = messages(*[f"message {number}" for number in range(100)])
    elements = only(compare(archive, {"history": old}, {"history": [*old, *messages("more", "and more")]})).elements
    assert elements is not None
    assert (elements.common, elements.old_count, elements.new_count) == (100, 100, 102)
    assert [(change.change, change.new_index, change.label, change.preview) for change in elements.changes] == [
        ("added", 100, "user", "more"),
        ("added", 101, "user", "and more"),
    ]


def test_history_from_the_first_message_that_differs(archive: Archive) -> None:
    """A message that was edited is shown by lines; what follows and is the same is not told."""
    old = messages("a", "b\nc", "d", "e", "f")
    new = messages("a", "b\nC", "d", "f")
    elements = only(compare(archive, {"history": old}, {"history": new})).elements
    assert elements is not None
    assert elements.common == 1
    assert [(change.change, change.old_index, change.new_index) for change in elements.changes] == [("changed", 1, 1), ("removed", 3, None)]
    text = elements.changes[0].text
    assert text is not None
    assert [line for line in text.hunks[0].lines if line[0] != " "] == [("-", "c"), ("+", "C")]


def test_history_element_whose_text_is_the_same(archive: Archive) -> None:
    """A message that differs in what is no text is shown by keys."""
    elements = only(
        compare(archive, {"history": [{"role": "user", "content": "x"}]}, {"history": [{"role": "user", "content": "x", "name": "ann"}]})
    ).elements
    assert elements is not None
    assert [(key.path, key.change) for key in elements.changes[0].keys] == [("name", "added")]


def test_documents_by_content(archive: Archive) -> None:
    """Documents are compared by content; one of the same title is a changed one, and their order is told apart."""
    old = [{"title": "A", "text": "one"}, {"title": "B", "text": "two"}, "three"]
    new = ["three", {"title": "B", "text": "TWO"}, {"title": "A", "text": "one"}, "four"]
    elements = only(compare(archive, {"documents": old}, {"documents": new})).elements
    assert elements is not None
    assert [(change.change, change.old_index, change.new_index, change.label) for change in elements.changes] == [
        ("changed", 1, 1, "B"),
        ("added", None, 3, "four"),
    ]
    assert elements.reordered


def test_documents_given_twice(archive: Archive) -> None:
    """A document that is given twice and then once was removed once."""
    elements = only(compare(archive, {"documents": ["x", "a", "a"]}, {"documents": ["y", "a"]})).elements
    assert elements is not None
    assert [(change.change, change.label) for change in elements.changes] == [("removed", "x"), ("removed", "a"), ("added", "y")]


def test_documents_in_another_order(archive: Archive) -> None:
    """The same documents in another order differ in their order alone."""
    elements = only(compare(archive, {"documents": ["a", "b"]}, {"documents": ["b", "a"]})).elements
    assert elements is not None
    assert (elements.changes, elements.reordered) == ((), True)


def test_output_text_and_messages(archive: Archive) -> None:
    """Outputs are compared by lines if they are texts, by messages if they are lists, by state if they are bytes."""
    one = archive.add("a", output="first\nsecond")
    other = archive.add("a", output="first\nthird")
    talk = archive.add("a", output=[{"role": "assistant", "content": "first"}])
    data = archive.add("a", output=b"\x00")
    nothing = archive.add("a", output=None)
    with archive.read() as reader:
        text = only(diff(reader, one, other)).text
        assert text is not None
        assert (text.added, text.removed) == (1, 1)
        assert only(diff(reader, one, talk)).text is not None
        assert only(diff(reader, talk, data)).old is not None
        assert only(diff(reader, nothing, talk)).old_state == "unstated"


def test_stat(archive: Archive) -> None:
    """`stat` counts by what a component is made of."""
    old = {"prompt": "a\nb", "parameters": {"seed": 1}, "tools": [anthropic("x")], "history": messages("1"), "documents": ["d"]}
    new = {
        "prompt": "a\nc\nd",
        "parameters": {"seed": 2, "top_p": 1},
        "tools": [anthropic("y")],
        "history": messages("1", "2"),
        "documents": ["e"],
    }
    found = {stat.slot: stat[1:] for stat in compare(archive, old, new).stat()}
    assert found == {
        "prompt": ("lines", 2, 1, 0),
        "parameters": ("keys", 1, 0, 1),
        "tools": ("tools", 1, 1, 0),
        "history": ("messages", 1, 0, 0),
        "documents": ("documents", 1, 1, 0),
    }


def test_a_merge_cannot_be_compared(archive: Archive) -> None:
    """A merge has no run; the error says how to name its parents."""
    merge = archive.merge(archive.ask("a", ref="a"), archive.ask("b", ref="b"))
    with archive.read() as reader, pytest.raises(NotFound) as caught:
        diff(reader, merge, merge)
    assert "^1" in (caught.value.hint or "")


# --- the parts ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_text_hunks_rebuild_the_new_text(seed: int) -> None:
    """Applying the hunks to the old text gives the new one, whatever the texts."""
    source = random.Random(seed)
    old = [source.choice("abcd") for _ in range(source.randrange(0, 60))]
    new = [line if source.random() < 0.9 else source.choice("abcdX") for line in old if source.random() < 0.9]
    new[source.randrange(0, len(new) + 1) : 0] = [source.choice("abc")] * source.randrange(0, 4)
    made, at = [], 0
    for hunk in diff_text("\n".join(old), "\n".join(new)).hunks:
        start = hunk.old_start - 1
        made.extend(old[at:start])
        assert [line for sign, line in hunk.lines if sign != "+"] == old[start : start + hunk.old_count]
        assert len([line for sign, line in hunk.lines if sign != "-"]) == hunk.new_count
        made.extend(line for sign, line in hunk.lines if sign != "-")
        at = start + hunk.old_count
    made.extend(old[at:])
    assert made == new


def test_keys_tell_ints_from_floats_and_null_from_nothing() -> None:
    """1 and 1.0, null and no key, true and 1 are different."""
    changes = diff_keys({"a": 1, "b": None, "c": True}, {"a": 1.0, "c": 1, "d": None})
    assert [(change.path, change.change) for change in changes] == [("a", "changed"), ("b", "removed"), ("c", "changed"), ("d", "added")]


@pytest.mark.parametrize("seed", range(40))
def test_common_prefix_of_lists(seed: int) -> None:
    """The common beginning found over nodes is the one that comparing all elements finds, and the rest is what follows."""
    source = random.Random(seed)
    objects: dict[bytes, Any] = {}

    def stored(numbers: list[int]) -> Any:
        from runstore.model.encoding import encode
        from runstore.model.ids import Kind, make_object

        made = build([make_object(Kind.VALUE, encode(number).body).link for number in numbers])
        objects.update({node.id: node for node in made.nodes})
        return made.root

    old = [source.randrange(50) for _ in range(source.choice([0, 3, 20, 200, 2000]))]
    cut = source.randrange(0, len(old) + 1)
    new = [*old[:cut], *(source.randrange(50) for _ in range(source.choice([0, 1, 5, 300])))]
    expected = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new)))
    one, other = Cursor(stored(old), objects.__getitem__), Cursor(stored(new), objects.__getitem__)
    assert one.pass_common(other) == expected
    assert len(list(one.rest())) == len(old) - expected
    assert len(list(other.rest())) == len(new) - expected


def test_common_prefix_reads_few_nodes() -> None:
    """Two long lists that differ at the end are compared by reading a few nodes of each."""
    from runstore.model.encoding import encode
    from runstore.model.ids import Kind, make_object

    links = [make_object(Kind.VALUE, encode(number).body).link for number in range(20_000)]
    one, other = build(links), build(links[:-1])
    objects = {node.id: node for node in (*one.nodes, *other.nodes)}
    read: list[bytes] = []

    def fetch(id: bytes) -> Any:
        read.append(id)
        return objects[id]

    assert Cursor(one.root, fetch).pass_common(Cursor(other.root, fetch)) == 19_999
    assert len(read) < 20


def test_an_item_that_calls_and_a_message_that_speaks(archive: Archive) -> None:
    """Where a call that is an item of its own became a message, its name stands among the calls and not in the text."""
    archive.add(output=[{"type": "function_call", "name": "f", "arguments": "{}"}])
    archive.add(output=[{"type": "message", "role": "assistant", "content": "done"}])
    found = only(archive.repo.diff("main~1", "main")).elements
    assert found is not None
    (change,) = found.changes
    assert change.text is not None
    assert [line for hunk in change.text.hunks for line in hunk.lines if line[1]] == [
        ("-", "[function_call]"),
        ("+", "[assistant]"),
        ("+", "done"),
    ]
    assert change.calls is not None
