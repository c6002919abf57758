"""Runs: what may be given as a slot, what the slots say, and parts."""

from __future__ import annotations

from typing import Any

import pytest

from runstore.errors import InvalidInput, LimitExceeded
from runstore.model.encoding import encode
from runstore.model.ids import Id, Kind, Link, make_object
from runstore.model.parts import Part
from runstore.model.run import ABSENT, CORE_SLOTS, UNKNOWN, Preencoded, Run, is_run, list_part, request_id, settings_part, value_part
from runstore.model.trees import decode_tree, encode_tree

VALUE = Link(Kind.VALUE, bytes(32))


def test_a_run_of_nothing_is_unknown_in_every_core_slot() -> None:
    """Slots that are not given are unknown, and further slots are not stated."""
    run = Run()
    assert run.slots == dict.fromkeys(CORE_SLOTS, UNKNOWN)
    assert decode_tree(run.tree.body) == run.slots
    assert run.request_id == run.id
    assert list(run.objects()) == [run.tree]


class Backward(str):
    """A text that sorts the other way round."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


class Impostor(str):
    """A text that says it is another one."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash("note")

    def __eq__(self, other: object) -> bool:
        return True


def test_a_name_of_a_subclass_is_the_text_that_it_is() -> None:
    """Slots named by subclasses of str give the run of the plain names, and leave later runs alone."""
    plain = {"first": 1, "second": 2, "model": {"b": 1, "a": 2.0}}
    assert Run.of({Backward(name): given for name, given in plain.items()}) == Run.of(plain) == Run(slots=plain)
    assert decode_tree(encode_tree({Backward("b"): UNKNOWN, Backward("a"): ABSENT}).body) == {"a": ABSENT, "b": UNKNOWN}
    assert Run.of({Impostor("other"): 1}) == Run.of({"other": 1}) != Run.of({"note": 1})
    with pytest.raises(InvalidInput, match="given twice"):
        Run.of({"model": {}, Impostor("model"): {}})


def test_absent_and_unknown_are_different_compositions() -> None:
    """That there were no tools is another run than that nobody recorded them, and than an empty list of tools."""
    ids = {Run(tools=ABSENT).id, Run(tools=UNKNOWN).id, Run(tools=[]).id}
    assert len(ids) == 3


def test_runtime_tells_runs_and_not_requests_apart() -> None:
    """Two answers to one request from different runtimes share the request id only."""
    one, other = Run(prompt="p", runtime={"model": "a"}), Run(prompt="p", runtime={"model": "b"})
    assert one.id != other.id
    assert one.request_id == other.request_id == Run(prompt="p").id == request_id(one.slots)


def test_an_id_is_bytes_that_print_as_hex() -> None:
    """A run's id is 32 bytes that print as hex and are equal to plain bytes."""
    run = Run(prompt="p")
    assert isinstance(run.id, Id)
    assert run.id == run.tree.id == bytes.fromhex(str(run.id))
    assert repr(run) == f"<run {str(run.id)[:12]}>"
    assert run.link == Link(Kind.TREE, run.id)


def test_runs_are_equal_by_id() -> None:
    """Runs of the same composition are one in a set, whoever built them, and a run is no bytes."""
    assert len({Run(prompt="p", parameters={"a": 1, "b": 2.0}), Run(parameters={"b": 2, "a": 1.0}, prompt="p")}) == 1
    assert Run() != Run().id


def test_a_run_cannot_be_changed() -> None:
    """Setting an attribute of a run or a part, or a slot of a run, is an error."""
    run: Any = Run(prompt="p")
    with pytest.raises(AttributeError):
        run.id = Id(bytes(32))
    with pytest.raises(TypeError):
        run.slots["prompt"] = ABSENT
    with pytest.raises(AttributeError):
        run.parts["prompt"].link = VALUE


@pytest.mark.parametrize("name", [*CORE_SLOTS, "output_format", "extra", "environment"])
@pytest.mark.parametrize("given", [None, False])
def test_none_and_false_are_ambiguous(name: str, given: Any) -> None:
    """None and False are refused for every slot, with a hint at the two that are meant."""
    with pytest.raises(InvalidInput, match=name) as caught:
        Run(**{name: given})
    assert "UNKNOWN" in (caught.value.hint or "")
    assert "ABSENT" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ({"model": "gpt"}, "model: str is no dict"),
        ({"parameters": [1]}, "parameters: list is no dict"),
        ({"history": "hi"}, "history: str is no list"),
        ({"history": {"role": "user"}}, "history: dict is no list"),
        ({"history": [{"content": [{"x": {1}}]}]}, r"history\[0\]\.content\[0\]\.x: set cannot be stored"),
        ({"tools": [1, {"a b": object()}]}, r"tools\[1\]\['a b'\]: object cannot"),
        ({"prompt": [float("nan")]}, r"prompt\[0\]: nan is not finite"),
        ({"parameters": {"seed": {"a": float("inf")}}}, r"parameters\.seed\.a: inf"),
        ({"prompt": {1: 2}}, r"prompt.*the key 1 is no string"),
        ({"extra": {"x": VALUE._replace(kind=Kind.TREE)}}, r"extra\.x: a link to tree:"),
        ({"history": VALUE}, "history: a value where a list is due"),
        ({"prompt": Part(Link(Kind.BLOB, bytes(32)))}, "prompt: a blob where a value is due"),
        ({"slots": {"Model": 1}}, "'Model' cannot name a slot"),
        ({"slots": {"prompt": "a"}, "prompt": "b"}, "the slot prompt is given twice"),
        ({"history": Preencoded(b"\x90")}, "history: a list cannot be given as one body"),
        ({"parameters": Preencoded(encode({"b": 1, "a": 1}).body)}, "parameters: settings that are not in normal form"),
        ({"prompt": Preencoded(b"\xcc\x01")}, "prompt: not the one accepted form"),
    ],
)
def test_what_cannot_be_a_slot_names_the_place(slots: dict[str, Any], message: str) -> None:
    """What cannot be part of a run is refused with the place and the fact."""
    with pytest.raises(InvalidInput, match=message):
        Run(**slots)


def test_depth_is_refused_with_its_place() -> None:
    """A value nested too deep is a limit, and a list that holds itself too."""
    loop: list[Any] = []
    loop.append(loop)
    for prompt in (loop, [[loop]], {"a": loop}):
        with pytest.raises(LimitExceeded, match=r"^prompt.*nested deeper than 64"):
            Run(prompt=prompt)


def test_a_slot_as_link_part_or_body() -> None:
    """A slot given as a part, a link or a body is the slot of the value itself."""
    run = Run(prompt="p", history=["m"], model={"name": "x", "api": "y"})
    assert Run(prompt=value_part("p"), history=list_part(["m"]), model=settings_part({"api": "y", "name": "x"})) == run
    assert Run(prompt=Preencoded(b"\xa1p"), history=run.parts["history"], model=run.slots["model"]) == run
    assert Run.from_links(run.slots) == run
    assert Run(slots={"prompt": "p", "history": ["m"], "model": {"name": "x", "api": "y"}}) == run


def test_bytes_in_a_run_become_blobs() -> None:
    """Bytes are kept as blobs that the run brings with it; a document that is bytes is the value that is the link to them."""
    run = Run(documents=[b"data"], history=[{"image": b"data"}])
    blob = make_object(Kind.BLOB, b"data")
    assert [item for item in run.objects() if item.kind == Kind.BLOB] == [blob]
    assert Run(documents=[blob.link], history=[{"image": blob.link}]) == run


def test_other_slots_hold_values() -> None:
    """A slot of another name is a value, and the tree states it."""
    run = Run(slots={"x.note": {"b": 1.0, "a": 1}})
    assert run.slots["x.note"] == value_part({"b": 1.0, "a": 1}).link
    assert is_run(decode_tree(run.tree.body))
    assert not is_run({"model": UNKNOWN})


def test_objects_come_before_what_links_to_them() -> None:
    """A run's objects are each given once, children before parents."""
    run = Run(prompt="p", history=[{"n": number, "image": b"x"} for number in range(100)], tools=[1, 1])
    from runstore.model.objects import links_of

    seen: set[bytes] = set()
    for item in run.objects():
        assert item.id not in seen
        assert all(link.id in seen for link in links_of(item.kind, item.body))
        seen.add(item.id)
    assert item == run.tree


def test_a_run_with_another_runtime() -> None:
    """A run with another runtime has the id of one composed whole, the same request, and shares every other part."""
    content: dict[str, Any] = {"prompt": "p", "history": ["m", {"image": b"x"}], "model": {"name": "x"}, "extra": {"b": 1}}
    asked = Run(**content, documents=ABSENT)
    ran = asked.with_runtime({"version": "x-1"})
    assert ran == Run(**content, documents=ABSENT, runtime={"version": "x-1"})
    assert ran.request_id == asked.request_id == asked.id
    assert all(ran.parts[name] is part for name, part in asked.parts.items())
    new = {item.id for item in ran.objects()} - {item.id for item in asked.objects()}
    assert new == {ran.parts["runtime"].link.id, ran.id}


def test_a_run_with_other_slots() -> None:
    """Slots given replace those of the run, states and further slots included; what cannot be a slot is refused."""
    run = Run(prompt="p", tools=ABSENT)
    assert run.with_slots(prompt=ABSENT, tools=["t"], output_format={"a": 1}) == Run(prompt=ABSENT, tools=["t"], output_format={"a": 1})
    assert run.with_slots(prompt=UNKNOWN) == Run(tools=ABSENT)
    assert run.with_slots() == run
    with pytest.raises(InvalidInput, match="history: str is no list"):
        run.with_slots(history="m")
