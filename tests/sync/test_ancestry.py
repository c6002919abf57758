"""Walks over executions against plain ones, on random graphs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runstore.model.executions import Execution, decode_execution, encode_execution, make_merge
from runstore.model.ids import Link, Object
from runstore.model.run import Run
from runstore.repo import TABLES
from runstore.runs.generations import generation_at
from runstore.runs.index import Indexer, rebuild
from runstore.store.memory import MemoryStore
from runstore.sync.ancestry import Ancestry, difference, is_ancestor, spaced

RUN = Run(prompt="x")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Object], dict[bytes, set[bytes]]]:
    """Executions, parents first, and for each the ids of all that it leads to, itself included."""
    made: list[Object] = []
    below: dict[bytes, set[bytes]] = {}
    for number in range(draw(st.integers(1, 25))):
        picked = draw(st.lists(st.integers(0, len(made) - 1), max_size=3, unique=True)) if made else []
        parents = [made[one] for one in picked]
        tops = [one for one in parents if not any(one.id in below[other.id] for other in parents if other is not one)]
        links = [one.link for one in tops]
        cause = draw(st.sampled_from(made)).link if made and number % 2 else None
        obj = make_merge(links) if len(links) > 1 else _execution(number, links, cause)
        if obj.id in below:
            continue
        linked = {one.id for one in tops} | ({cause.id} if cause is not None and len(links) <= 1 else set())
        below[obj.id] = {obj.id}.union(*(below[one] for one in linked))
        made.append(obj)
    return made, below


def _execution(number: int, parents: list[Link], cause: Link | None) -> Object:
    return encode_execution(Execution(run=RUN.link, parents=tuple(parents), cause=cause, status="ok", nonce=str(number)))


def stored(executions: list[Object]) -> MemoryStore:
    """Return a store that holds these executions."""
    store = MemoryStore(TABLES)
    with store.write() as writer:
        Indexer().add(writer, writer.put([*RUN.objects(), *executions]))
    return store


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_difference_is_what_the_wanted_lead_to_and_the_had_do_not(
    graph: tuple[list[Object], dict[bytes, set[bytes]]], data: st.DataObject
) -> None:
    """The walk that stops by generation finds the same executions as taking whole sets apart, descendants first."""
    made, below = graph
    wanted = data.draw(st.lists(st.sampled_from(made), max_size=4))
    had = data.draw(st.lists(st.sampled_from(made), max_size=4))
    with stored(made).read() as reader:
        new = difference(reader, [one.id for one in wanted], [one.id for one in had])
    known: set[bytes] = set().union(*(below[one.id] for one in had))
    expected: set[bytes] = set().union(*(below[one.id] for one in wanted)) - known
    found = [one.id for one in new.executions]
    assert set(found) == expected
    assert len(found) == len(expected)
    assert set(new.boundary) <= known
    for at, one in enumerate(found):
        assert not any(one in below[earlier] for earlier in found[at + 1 :])


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_without_generations_too_much_is_found_and_never_too_little(
    graph: tuple[list[Object], dict[bytes, set[bytes]]], data: st.DataObject
) -> None:
    """A store whose table of generations was lost sends more, and what it sends is still whole."""
    made, below = graph
    wanted = data.draw(st.lists(st.sampled_from(made), max_size=4))
    had = data.draw(st.lists(st.sampled_from(made), max_size=4))
    ancestor, descendant = data.draw(st.sampled_from(made)).id, data.draw(st.sampled_from(made)).id
    store = stored(made)
    with store.read() as reader:
        expected_ancestor = is_ancestor(reader, ancestor, [descendant])
    with store.write() as writer:
        writer.clear("generations")
    with store.read() as reader:
        found = [one.id for one in difference(reader, [one.id for one in wanted], [one.id for one in had]).executions]
        assert is_ancestor(reader, ancestor, [descendant]) == expected_ancestor
    known: set[bytes] = set().union(*(below[one.id] for one in had))
    reached: set[bytes] = set().union(*(below[one.id] for one in wanted))
    assert reached - known <= set(found) <= reached
    assert len(found) == len(set(found))


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_ancestors_over_a_store_and_a_transfer(graph: tuple[list[Object], dict[bytes, set[bytes]]], data: st.DataObject) -> None:
    """Whoever is whose ancestor is the same with all executions stored and with the newer ones still in a transfer."""
    made, _ = graph
    parents = {one.id: tuple(link.id for link in decode_execution(one.body).parents) for one in made}
    cut = data.draw(st.integers(1, len(made)))
    ancestor, descendant = data.draw(st.sampled_from(made)).id, data.draw(st.sampled_from(made)).id
    above = {ancestor}
    for one in made:
        if above.intersection(parents[one.id]):
            above.add(one.id)
    with stored(made).read() as reader:
        assert is_ancestor(reader, ancestor, [descendant]) == (descendant in above)
    with stored(made[:cut]).read() as reader:
        ancestry = Ancestry(reader, {one.id: parents[one.id] for one in made[cut:]})
        assert ancestry.is_ancestor(ancestor, [descendant]) == (descendant in above)


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_generations_rise_along_every_link_and_a_rebuild_gives_the_same(graph: tuple[list[Object], dict[bytes, set[bytes]]]) -> None:
    """An execution's generation is above that of all it leads to, whether the table grew or was rebuilt."""
    made, below = graph
    store = stored(made)
    with store.write() as writer:
        grown = sorted(writer.rows("generations"))
        rebuild(writer)
        assert sorted(writer.rows("generations")) == grown
        for one in made:
            own = generation_at(writer, writer.address(one.id) or 0)
            for other in below[one.id] - {one.id}:
                assert (generation_at(writer, writer.address(other) or 0) or 0) < (own or 0)


def test_spaced_steps_back_ever_farther() -> None:
    """The distances from a tip are 0, 1, 2, 4, 8, ... up to the beginning."""
    made: list[Object] = []
    for number in range(40):
        made.append(_execution(number, [made[-1].link] if made else [], None))
    with stored(made).read() as reader:
        found = list(spaced(reader, [made[-1].id]))
    places = [39 - [one.id for one in made].index(item) for item in found]
    assert places == [0, 1, 2, 4, 8, 16, 32]
