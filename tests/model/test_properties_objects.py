"""Properties of lists, trees and executions over generated input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.errors import RunstoreError
from runstore.model.encoding import ANY_KIND
from runstore.model.executions import Execution, decode_execution, decode_execution_trusted, encode_execution
from runstore.model.ids import Kind, Link
from runstore.model.lists import ListBuilder, build, check_structure, count, element, elements
from runstore.model.objects import links_of
from runstore.model.run import ABSENT, UNKNOWN
from runstore.model.settings import encode_settings
from runstore.model.trees import decode_tree, decode_tree_trusted, encode_tree
from tests.model import vectors
from tests.model.strategies import ANY_LINKS, IDS, SCALARS, TEXTS, general, nested, unambiguous

RAWS = st.integers(0, 300).map(vectors.element_raw)


@settings(max_examples=40, deadline=None)
@given(st.lists(RAWS, max_size=400), st.data())
def test_lists_by_any_edits_equal_a_rebuild(raws: list[bytes], data: st.DataObject) -> None:
    """Whatever edits and branches led to a sequence, its list is the one that a rebuild gives, and it passes the structure check."""
    builder = ListBuilder()
    for raw in raws:
        builder.append(raw)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raws)))
        drop = data.draw(st.integers(0, 40))
        raws = raws[:at] + data.draw(st.lists(RAWS, max_size=100)) + raws[at + drop :]
        builder = builder.truncated(at)
        for raw in raws[at:]:
            builder.append(raw)
    built, grown = build(raws), builder.state()
    assert grown == built
    fetch = vectors.fetcher(built.nodes)
    assert [link.raw for link in elements(built.root, fetch)] == raws
    assert check_structure(built.root, fetch).size == len(raws) == count(built.root, fetch)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.integers(0, 700), st.booleans())
def test_states_of_a_growing_list(size: int, before: int, triggering: bool) -> None:
    """A state of fewer elements is the list of those elements, and with the nodes of the shorter state nothing is lacking."""
    raws = vectors.element_raws({"triggering" if triggering else "silent": 700})
    before = min(before, size)
    builder = ListBuilder()
    for raw in raws:
        builder.append(raw)
    built = build(raws[:size])
    state = builder.state(size)
    assert (state.root, state.size, set(state.nodes)) == (built.root, size, set(built.nodes))
    new = builder.state(size, since=before)
    assert {node.id for node in built.nodes} <= {node.id for node in (*new.nodes, *build(raws[:before]).nodes)}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 900), st.integers(0, 950), st.integers(0, 950), st.booleans())
def test_elements_in_part_and_reverse(size: int, start: int, stop: int, reverse: bool) -> None:
    """A part of a list's elements, forward or backward, is that part of the sequence; one element is found by its number."""
    raws = vectors.element_raws({"range": [0, size]})
    built = build(raws)
    fetch = vectors.fetcher(built.nodes)
    wanted = raws[start:stop][:: -1 if reverse else 1]
    assert [link.raw for link in elements(built.root, fetch, start=start, stop=stop, reverse=reverse)] == wanted
    for number in (start, -start - 1):
        if -size <= number < size:
            assert element(built.root, number, fetch).raw == raws[number]
        else:
            with pytest.raises(RunstoreError):
                element(built.root, number, fetch)


NAMES = st.from_regex(r"[a-z][a-z0-9._-]{0,63}", fullmatch=True)
SLOTS = st.dictionaries(NAMES, st.sampled_from([ABSENT, UNKNOWN]) | st.builds(Link, st.sampled_from(list(Kind)[:4]), IDS), max_size=20)


@given(SLOTS)
def test_trees_read_back(slots: dict[str, Any]) -> None:
    """A tree gives its slots back, sorted, and its body is the settings-free value that the format describes."""
    tree = encode_tree(slots)
    assert decode_tree(tree.body) == slots == decode_tree_trusted(tree.body)
    pairs = [[name, {ABSENT: False, UNKNOWN: None}.get(slots[name], slots[name])] for name in sorted(slots)]
    assert tree.body == general(pairs, ANY_KIND)
    assert links_of(Kind.TREE, tree.body) == [slots[name] for name in sorted(slots) if isinstance(slots[name], Link)]


def _links(*kinds: Kind) -> st.SearchStrategy[Link | None]:
    return st.none() | st.builds(Link, st.sampled_from(kinds), IDS)


MAPS = st.none() | st.dictionaries(TEXTS, nested(SCALARS | ANY_LINKS, 5), max_size=4).filter(unambiguous)
TIMES = st.none() | st.integers(-(1 << 63), (1 << 64) - 1)
EXECUTIONS = st.builds(
    Execution,
    run=st.builds(Link, st.just(Kind.TREE), IDS),
    parents=st.lists(st.builds(Link, st.just(Kind.EXECUTION), IDS), max_size=1).map(tuple),
    output=_links(Kind.VALUE, Kind.LIST, Kind.BLOB),
    status=st.sampled_from([None, "ok", "error", "partial", "interrupted"]),
    started=TIMES,
    ended=TIMES,
    nonce=st.none() | TEXTS,
    actor=st.none() | TEXTS,
    message=st.none() | TEXTS,
    cause=_links(Kind.EXECUTION),
    response=_links(Kind.VALUE),
    wire=_links(Kind.VALUE),
    usage=MAPS,
    notes=MAPS,
    extra=MAPS,
)


@given(EXECUTIONS)
def test_executions_read_back(execution: Execution) -> None:
    """An execution's body is its settings map; it reads back, and encoding what was read gives it again."""
    made = encode_execution(execution)
    fields = {key: list(item) if key == "parents" else item for key, item in execution._asdict().items() if item is not None}
    assert made.body == encode_settings(fields, links=ANY_KIND).body
    read = decode_execution(made.body)
    assert read == decode_execution_trusted(made.body)
    assert encode_execution(read) == made
    assert {link for link in (read.run, read.output, read.cause, *read.parents) if link} <= set(links_of(Kind.EXECUTION, made.body))
