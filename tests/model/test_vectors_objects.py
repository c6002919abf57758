"""The vectors of lists, trees, runs, executions and tags."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runstore.errors import InvalidInput, NotFound, Refused, RunstoreError
from runstore.model.encoding import ANY_KIND
from runstore.model.executions import Execution, decode_execution, encode_execution, make_merge
from runstore.model.ids import KINDS, Kind, Link, Object, make_object, object_id
from runstore.model.lists import ListBuilder, build, check_structure, decode_node, element, elements
from runstore.model.nodes import closes
from runstore.model.objects import check_execution, check_run, verify_body
from runstore.model.run import ABSENT, UNKNOWN, Run, list_part, request_id
from runstore.model.settings import encode_settings
from runstore.model.tags import Tag, decode_tag, encode_tag
from runstore.model.trees import decode_tree, decode_tree_trusted, encode_tree
from tests.model import vectors

AT_ONCE = 5.0  # seconds, generously


@pytest.mark.parametrize("case", vectors.cases("lists"))
def test_list(case: Any) -> None:
    """A list has the root, count and nodes a level of its vector, gives its elements back and passes the structure check."""
    raws = vectors.element_raws(case["elements"])
    built = build(raws)
    assert (built.root.id.hex(), built.size) == (case["root"], case["count"])
    if "root_body" in case:
        assert built.nodes[-1].body.hex() == case["root_body"]
    levels = [decode_node(node.body).level for node in built.nodes]
    assert [levels.count(level) for level in range(max(levels) + 1)] == case["levels"]
    fetch = vectors.fetcher(built.nodes)
    assert [link.raw for link in elements(built.root, fetch)] == raws
    found = check_structure(built.root, fetch)
    assert (found.size, found.objects) == (len(raws), len({node.id for node in built.nodes}))
    if raws:
        assert element(built.root, -1, fetch).raw == raws[-1]


@pytest.mark.parametrize("case", [case for case in vectors.cases("lists") if case.values[0]["name"].startswith("edit of")])
def test_list_edit(case: Any) -> None:
    """An edit of a stored list, made as a branch of the builder at the first difference, gives the root of the edited sequence."""
    size = int(case["name"].removeprefix("edit of ").partition(":")[0])
    builder = ListBuilder()
    for number in range(size):
        builder.append(vectors.element_raw(number))
    wanted = vectors.element_raws(case["elements"])
    same = 0
    while same < min(size, len(wanted)) and wanted[same] == builder.raws(same, same + 1)[0]:
        same += 1
    branch = builder.truncated(same)
    for raw in wanted[same:]:
        branch.append(raw)
    assert branch.state().root.id.hex() == case["root"]
    assert builder.state().root == build(vectors.element_raws({"range": [0, size]})).root


@pytest.mark.parametrize("case", vectors.cases("lists", "nodes"))
def test_list_node(case: Any) -> None:
    """A node that is right when read alone is read, and has the id of its vector."""
    body = bytes.fromhex(case["body"])
    verify_body(Kind.LIST, body)
    assert object_id(Kind.LIST, body).hex() == case["id"]


@pytest.mark.parametrize("case", vectors.cases("lists", "structure_accepts"))
def test_structure_accepted(case: Any) -> None:
    """The structure check accepts a sound list at once, however many elements its nodes spell."""
    nodes = vectors.nodes(case["nodes"])
    begun = time.monotonic()
    found = check_structure(nodes[-1].link, vectors.fetcher(nodes))
    assert time.monotonic() - begun < AT_ONCE
    assert (nodes[-1].id.hex(), found.size, found.objects) == (case["root"], case["count"], case["objects"])


@pytest.mark.parametrize("case", vectors.cases("lists", "structure_rejects"))
def test_structure_refused(case: Any) -> None:
    """The structure check refuses a list of another shape than its elements give it, at once."""
    nodes = vectors.nodes(case["nodes"])
    begun = time.monotonic()
    with pytest.raises((Refused, NotFound)):
        check_structure(nodes[-1].link, vectors.fetcher(nodes))
    assert time.monotonic() - begun < AT_ONCE


def test_a_closed_child_that_ends_in_an_open_leaf_is_refused() -> None:
    """A child that is closed by its 64th item and whose last leaf is not closed cannot be followed by another child."""
    nodes = vectors.nodes(
        [
            {"level": 0, "elements": {"same": [1, 64]}},
            {"level": 0, "elements": {"same": [1, 5]}},
            {"level": 1, "children": [[64, 0, 63], [5, 1, 1]]},
            {"level": 1, "children": [[64, 0, 2]]},
            {"level": 2, "children": [[64 * 63 + 5, 2, 1], [128, 3, 1]]},
        ]
    )
    assert not any(closes(8, node.link.raw) for node in nodes[:2])
    with pytest.raises(Refused, match="not closed"):
        check_structure(nodes[-1].link, vectors.fetcher(nodes))


def _tree_slots(case: Any) -> dict[str, Any]:
    if "slots_range" in case:
        return {f"a{number:04}": UNKNOWN for number in range(case["slots_range"])}
    read = {"{'nil': None}": UNKNOWN, "{'bool': False}": ABSENT}
    return {name: read.get(str(slot)) or vectors.value(slot) for name, slot in case["slots"]}


@pytest.mark.parametrize("case", vectors.cases("trees"))
def test_tree(case: Any) -> None:
    """A tree has the body and id of its vector, whatever the order given, and reads back."""
    slots = _tree_slots(case)
    tree = encode_tree(slots)
    assert vectors.agrees(case, tree.body)
    assert tree.id.hex() == case["id"]
    assert decode_tree(tree.body) == slots == decode_tree_trusted(tree.body)
    assert list(decode_tree(tree.body)) == sorted(slots)


# A mapping cannot spell a name twice; that a reader refuses it is among the bodies to be refused.
@pytest.mark.parametrize("case", [case for case in vectors.cases("trees", "errors") if case.values[0]["name"] != "name twice"])
def test_tree_refused(case: Any) -> None:
    """A tree with a bad name or entry is an ordinary error."""
    with pytest.raises(InvalidInput):
        encode_tree(_tree_slots(case))


def _slots_of(name: str) -> dict[str, Any]:
    case = next(case for case in vectors.load("runs")["cases"] if case["name"] == name)
    base = _slots_of(case["like"]) if "like" in case else {}
    return {**base, **case.get("slots", {}), **case.get("changes", {})}


def _given(name: str, slot: Any) -> Any:
    """A slot of the vectors as a program gives it."""
    if isinstance(slot, str):
        return {"absent": ABSENT, "unknown": UNKNOWN}[slot]
    ((kind, spec),) = slot.items()
    if kind == "list_range":
        return [{"i": number} for number in range(spec)]
    if kind == "list":
        return [vectors.value(item) for item in spec]
    given = vectors.value(spec)
    if given is None:
        from runstore.model.run import Preencoded

        return Preencoded(b"\xc0")
    return given


def _run(name: str) -> Run:
    return Run(slots={slot: _given(slot, spec) for slot, spec in _slots_of(name).items()})


@pytest.mark.parametrize("case", vectors.cases("runs"))
def test_run(case: Any) -> None:
    """A run has the links, run id and request id of its vector, and its objects pass every check."""
    run = _run(case["name"])
    for name, spec in case["links"].items():
        assert run.slots[name] == vectors.link(spec)
    assert (str(run.id), str(run.request_id)) == (case["run"], case["request"])
    assert request_id(decode_tree(run.tree.body)) == run.request_id
    objects = list(run.objects())
    for item in objects:
        assert item == make_object(item.kind, item.body)
        verify_body(item.kind, item.body)
    check_run(run.tree, vectors.fetcher(objects))
    assert Run.from_links(run.slots) == run


def test_run_pairs() -> None:
    """The pairs of run vectors are equal, equal as requests, or different, as stated."""
    ids = {case["name"]: (case["run"], case["request"]) for case in vectors.load("runs")["cases"]}
    runs = vectors.load("runs")
    assert all(ids[one] == ids[other] for one, other in runs["equal"])
    assert all(ids[one][1] == ids[other][1] and ids[one][0] != ids[other][0] for one, other in runs["request_equal"])
    assert all(ids[one][0] != ids[other][0] for one, other in runs["differ"])


def _stored(case: Any) -> tuple[Object, Any]:
    objects = [make_object(KINDS[kind], bytes.fromhex(body)) for kind, body in case["objects"]]
    for item in objects:
        verify_body(item.kind, item.body)
    assert objects[-1].id.hex() == case["id"]
    return objects[-1], vectors.fetcher(objects)


@pytest.mark.parametrize("case", vectors.cases("runs", "store_accepts"))
def test_stored_run_accepted(case: Any) -> None:
    """A stored run or execution whose slots link to what they may is accepted."""
    last, fetch = _stored(case)
    (check_run if case["as"] == "run" else check_execution)(last, fetch)


@pytest.mark.parametrize("case", vectors.cases("runs", "store_rejects"))
def test_stored_run_refused(case: Any) -> None:
    """A stored run or execution whose slots link to what they may not is refused, though each object is right alone."""
    last, fetch = _stored(case)
    with pytest.raises(Refused):
        (check_run if case["as"] == "run" else check_execution)(last, fetch)


def _encode(case: Any) -> Object:
    fields = vectors.value(case["value"])
    if case["kind"] == "tag":
        return encode_tag(Tag(**fields))
    return encode_execution(Execution(**{**fields, "parents": tuple(fields["parents"])}))


@pytest.mark.parametrize("case", vectors.cases("executions"))
def test_execution(case: Any) -> None:
    """An execution or tag has the body and id of its vector, from its fields and as a settings map, and reads back."""
    made = _encode(case)
    assert vectors.agrees(case, made.body)
    assert made.id.hex() == case["id"]
    assert encode_settings(vectors.value(case["value"]), links=ANY_KIND).body == made.body
    again = encode_tag(decode_tag(made.body)) if case["kind"] == "tag" else encode_execution(decode_execution(made.body))
    assert again == made


@pytest.mark.parametrize("case", [case for case in vectors.cases("executions") if "merge" in case.values[0]["name"]])
def test_merge_from_parents(case: Any) -> None:
    """A merge is a function of its parents, given in any order."""
    parents: list[Link] = vectors.value(case["value"])["parents"]
    if len(parents) > 1:
        assert make_merge(reversed(parents)).id.hex() == case["id"]


@pytest.mark.parametrize("case", vectors.cases("executions", "errors"))
def test_execution_refused(case: Any) -> None:
    """An execution or tag that breaks a rule is an ordinary error for the writer, and its body for the reader."""
    fields = vectors.value(case["value"])
    known = Tag._fields if case["kind"] == "tag" else Execution._fields
    if type(fields) is dict and fields.keys() <= set(known) and {"parents", "target"} & fields.keys():
        with pytest.raises((InvalidInput, TypeError)):
            _encode(case)
    with pytest.raises(RunstoreError):
        verify_body(KINDS[case["kind"]], encode_settings(fields, links=ANY_KIND).body)


def test_list_slots_share_nodes() -> None:
    """An empty list in a slot is the empty list of the vectors."""
    assert list_part([], "history").link.id.hex() == vectors.load("lists")["cases"][0]["root"]
