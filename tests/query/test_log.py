"""The order of the log, its filters, and what it reads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runstore
from runstore.errors import InvalidInput, NotFound
from runstore.maintenance.gc import gc
from runstore.maintenance.pack import pack
from runstore.model.executions import Execution
from runstore.model.ids import Kind, Link
from runstore.query.log import Entry, Filter, Tip, log, parse_where, tips, walk
from runstore.query.order import AHEAD, Order, between
from runstore.runs.tables import TABLES
from tests.query.conftest import BEGIN, SECOND, Archive


def test_one_ref_newest_first(archive: Archive) -> None:
    """The log of a ref goes from its tip along first parents."""
    links = [archive.ask(f"question {number}") for number in range(40)]
    assert archive.links("main") == links[::-1]
    assert {entry.refs for entry in archive.log("main")} == {("main",)}


def test_all_local_refs_by_time(archive: Archive) -> None:
    """Without revisions all heads and tags are read, by the time at which executions started."""
    links = [archive.ask(f"question {number}", ref=f"ref{number % 3}") for number in range(12)]
    assert archive.links() == links[::-1]
    assert archive.log()[0].refs == ("ref2",)


def test_old_indexes_end_no_log(archive: Archive) -> None:
    """Where the indexes are not of this version, what they lack is found all the same."""
    links = [archive.ask(f"question {number}", notes={"session": "s"}) for number in range(5)]
    with archive.repo.store.write() as writer:
        for table in TABLES:
            writer.clear(table.name)
    assert archive.links("main", session="s") == links[::-1]
    assert archive.links("main", since=BEGIN) == links[::-1]
    assert archive.links("main", run=archive.run_of(links[0]).id) == links[:1]


def test_remotes_are_not_local(archive: Archive) -> None:
    """What only a remote ref reaches is not in the log of all local refs."""
    link = archive.ask("one", ref="topic")
    archive.set_ref("remotes/origin/topic", link)
    archive.repo.delete_ref("topic")
    assert archive.links() == []
    assert archive.links("origin/topic") == [link]


def test_tags_are_local(archive: Archive) -> None:
    """What only a tag reaches is in the log, through the tag object."""
    link = archive.ask("one", ref="topic")
    archive.repo.tag("kept", "topic")
    archive.repo.delete_ref("topic")
    assert [(entry.link, entry.refs) for entry in archive.log()] == [(link, ("kept",))]


def test_shared_past_is_told_once_with_all_refs(archive: Archive) -> None:
    """An execution that several refs reach is told once, with all of their names."""
    base = archive.ask("base")
    archive.set_ref("heads/topic", base)
    ours, theirs = archive.ask("ours"), archive.ask("theirs", ref="topic")
    entries = archive.log()
    assert [entry.link for entry in entries] == [theirs, ours, base]
    assert [entry.refs for entry in entries] == [("topic",), ("main",), ("main", "topic")]


def test_merge_stands_before_what_it_joins(archive: Archive) -> None:
    """A merge, which has no time, comes as late as the latest it joins, and before it."""
    base = archive.ask("base")
    archive.set_ref("heads/topic", base)
    ours, theirs = archive.ask("ours"), archive.ask("theirs", ref="topic")
    merge = archive.merge(ours, theirs)
    other = archive.ask("elsewhere", ref="other", started=BEGIN - 1)
    assert archive.links("main") == [merge, theirs, ours, base]
    assert archive.links("other", "main") == [merge, theirs, ours, base, other]


def test_child_before_parent_whatever_the_clock_says(archive: Archive) -> None:
    """An execution that claims to have started after its child is still told after it."""
    late = archive.ask("late", started=BEGIN + 1000 * SECOND)
    archive.set_ref("heads/left-behind", late)
    early = archive.ask("early", started=BEGIN)
    assert archive.links() == [early, late]


def test_equal_times_as_recorded(archive: Archive) -> None:
    """Among executions of one time, and among those of none, the one recorded later comes first."""
    same = [archive.ask(f"question {number}", ref=f"same{number}", started=BEGIN) for number in range(4)]
    without = [archive.ask(f"question {number}", ref=f"none{number}", started=None) for number in range(4)]
    assert archive.links() == same[::-1] + without[::-1]


def test_order_of_recording_outlives_a_pack(archive: Archive) -> None:
    """Executions of one time, on refs whose names sort the other way and of any size, are told in the same order after pack and gc."""
    for number in range(12):
        notes = {"text": "x" * 20_000 if number % 5 == 1 else "short"}
        archive.ask(f"question {number}", ref=f"{'zyx'[number % 3]}{number % 4}", started=BEGIN if number % 2 else None, notes=notes)
        archive.ask("the same", ref=f"{'zyx'[number % 3]}{number % 4}", started=None)
    archive.ask("nobody will keep this", ref="gone")
    archive.repo.delete_ref("gone")
    before, same = archive.links(), archive.executions("y1")
    pack(archive.repo.store)
    archive.repo.expire_reflog(archive.now)
    assert gc(archive.repo.store, now=archive.now, grace_days=0).dead
    assert archive.links() == before
    assert archive.executions("y1") == same


def test_range(archive: Archive) -> None:
    """`a..b` leaves out `a` and what stands before it."""
    links = [archive.ask(f"question {number}") for number in range(6)]
    assert archive.links("main~4..main") == links[:1:-1]
    assert archive.links("main..main") == []


def test_range_of_diverged_refs(archive: Archive) -> None:
    """`a..b` leaves out all that `a` reaches, where both have gone on and where they were merged."""
    base = archive.ask("base")
    archive.set_ref("heads/topic", base)
    ours, theirs = archive.ask("ours"), archive.ask("theirs", ref="topic")
    assert archive.links("main..topic") == [theirs]
    merge = archive.merge(ours, theirs, ref="joined")
    assert archive.links("topic..joined") == [merge, ours]


def test_range_among_other_revisions(archive: Archive) -> None:
    """What a range leaves out is left out of the other revisions too."""
    base = archive.ask("base")
    archive.set_ref("heads/topic", base)
    ours, theirs = archive.ask("ours"), archive.ask("theirs", ref="topic")
    assert archive.links("main~1..main", "topic") == [theirs, ours]


def test_errors_come_at_once(archive: Archive) -> None:
    """A revision that names nothing and a filter that is none are refused before anything is read."""
    archive.add()
    with pytest.raises(NotFound):
        log(archive.repo.store, ["mian"], now=archive.now)
    with pytest.raises(InvalidInput, match="status"):
        log(archive.repo.store, [], Filter(status="fine"), now=archive.now)


def test_log_needs_an_execution(archive: Archive) -> None:
    """A log begins at executions, not at values."""
    archive.add()
    with pytest.raises(NotFound, match="an execution is wanted"):
        archive.links("main:prompt")


def test_recorded_meanwhile(archive: Archive) -> None:
    """A log that was begun is not disturbed by what is recorded while it is read, and holds no snapshot open between portions."""
    links = [archive.ask(f"question {number}") for number in range(60)]
    entries = log(archive.repo.store, ["main"], now=archive.now)
    first = next(entries)
    archive.ask("meanwhile")
    assert [first.link, *(entry.link for entry in entries)] == links[::-1]


# --- filters ----------------------------------------------------------------------------------------------------------------------


def test_since_and_until(archive: Archive) -> None:
    """`since` is included, `until` is not; what has no time fits neither."""
    links = [archive.ask(f"question {number}", started=BEGIN + number) for number in range(6)]
    archive.ask("timeless", started=None)
    assert archive.links(since=BEGIN + 2, until=BEGIN + 4) == [links[3], links[2]]
    assert archive.links(since=BEGIN + 6) == []


def test_model(archive: Archive) -> None:
    """A model is found by the name asked for, by the version that answered, and by a pattern with `*`."""
    one = archive.add("a", slots={"model": {"name": "gpt-4o"}, "runtime": {"model": "gpt-4o-2024-08-06"}})
    other = archive.add("b", slots={"model": {"name": "claude-3-5-sonnet-20241022"}, "runtime": None})
    assert archive.links(model="gpt-4o") == [one]
    assert archive.links(model="gpt-4o-2024-08-06") == [one]
    assert archive.links(model="gpt-4") == []
    assert archive.links(model="claude*") == [other]
    assert archive.links(model="*-20*") == [other, one]


def test_status(archive: Archive) -> None:
    """Executions are told apart by status, merges among them."""
    good, bad = archive.ask("one", ref="a"), archive.ask("two", ref="b", status="error")
    merge = archive.merge(good, bad)
    assert archive.links(status="error") == [bad]
    assert archive.links(status="merge") == [merge]


def test_run_and_request(archive: Archive) -> None:
    """A log of a run holds all its executions; of a request id, those of every runtime that answered."""
    first = archive.add("a")
    again = archive.add("b")
    third = archive.add("c", slots={"runtime": {"model": "other"}})
    unknown = archive.add("d", slots={"runtime": None})
    request = archive.resolve("a^{request}").link.id
    assert archive.links(run=archive.run_of(first).id) == [again, first]
    assert archive.links(run=request) == [unknown, third, again, first]
    assert archive.links(run=bytes(32)) == []


def test_session(archive: Archive) -> None:
    """Executions of a session are found by `notes.session`."""
    archive.ask("other", notes={"session": "s2"})
    links = [archive.ask(f"question {number}", ref=f"r{number}", notes={"session": "s1"}) for number in range(3)]
    assert archive.links(session="s1") == links[::-1]
    assert archive.links(session="s3") == []


def test_a_scope_and_a_session_of_one_name_stay_apart(archive: Archive) -> None:
    """Sessions and scopes share a table, and are never taken for one another."""
    one = archive.ask("one", notes={"session": "x", "scope": "y"})
    other = archive.ask("two", ref="r2", notes={"session": "y", "scope": "x"})
    assert archive.links(session="x") == archive.links(scope="y") == [one]
    assert archive.links(session="y") == archive.links(scope="x") == [other]


@pytest.mark.parametrize(
    "condition",
    [
        "parameters.temperature=0.5",
        "parameters.stop[0]=END",
        'parameters.stop=["END"]',
        "model.name=tiny",
        "prompt=Be brief.",
        'prompt="Be brief."',
        "tools=false",
        "documents=null",
        "history/-1.content=why?",
        'history=[{"role":"user","content":"why?"}]',
        "output/0.content=because",
        "usage.prompt_tokens=12",
        "usage.prompt_tokens=12.0",
        "notes.user=7",
        "notes.scope.test=x=y",
        "status=partial",
        "actor=ada",
        "message=a try",
        "extra.seedling=true",
        "extra_fields.x=1",
    ],
)
def test_where(archive: Archive, condition: str) -> None:
    """A condition on any part of a run or of its execution finds the one execution that fits."""
    archive.ask("something else")
    slots = {
        "parameters": {"temperature": 0.5, "stop": ["END"]},
        "model": {"name": "tiny"},
        "prompt": "Be brief.",
        "documents": None,
        "history": [{"role": "user", "content": "why?"}],
        "extra": {"seedling": True},
    }
    wanted = archive.add(
        slots=slots,
        output=[{"role": "assistant", "content": "because"}],
        usage={"prompt_tokens": 12},
        notes={"user": "7", "scope": {"test": "x=y"}},
        status="partial",
        actor="ada",
        message="a try",
        extra_fields={"x": 1},
    )
    archive.add(slots={"tools": []})
    expected = [wanted] if condition != "tools=false" else archive.links()[1:]
    assert archive.links(where=(parse_where(condition),)) == expected


@pytest.mark.parametrize(
    "condition", ["usage.prompt_tokens=true", "nothing.at.all=1", "history/5.content=x", "documents=true", "parameters.seed=8", "model=1"]
)
def test_where_nothing_fits(archive: Archive, condition: str) -> None:
    """A condition that nothing fits finds nothing, and is no error."""
    archive.add(usage={"prompt_tokens": 1})
    assert archive.links(where=(parse_where(condition),)) == []


@pytest.mark.parametrize("text", ["temperature", "", "=1", "a[=1"])
def test_where_that_cannot_be_read(text: str) -> None:
    """A condition without a path or without `=` is refused."""
    with pytest.raises(InvalidInput):
        parse_where(text)


def test_changed(archive: Archive) -> None:
    """`changed` finds the executions whose slot differs from the execution before; the first differs from nothing."""
    prompts = ["a", "a", "b", "b", "a"]
    links = [archive.add(slots={"prompt": prompt}) for prompt in prompts]
    assert archive.links(changed="prompt") == [links[4], links[2]]
    assert archive.links(changed="tools") == []


def test_changed_against(archive: Archive) -> None:
    """With `against`, an execution or a run, a slot is compared with that of this one, whatever ref it stands on."""
    links = [archive.add(slots={"prompt": prompt}, ref=ref) for prompt, ref in (("a", "x"), ("a", "y"), ("b", "y"), ("b", "z"))]
    assert archive.links(changed="prompt", against=links[0]) == [links[3], links[2]]
    assert archive.links(changed="prompt", against=archive.run_of(links[3])) == [links[1], links[0]]


def test_against_needs_a_slot(archive: Archive) -> None:
    """What is compared must be said."""
    link = archive.add()
    with pytest.raises(InvalidInput):
        archive.links(against=link)


def test_changed_path_and_state(archive: Archive) -> None:
    """`changed` takes a path, and a slot that becomes absent or unknown has changed."""
    one = archive.add(slots={"parameters": {"temperature": 0, "seed": 1}})
    two = archive.add(slots={"parameters": {"temperature": 0, "seed": 2}})
    three = archive.add(slots={"parameters": None})
    four = archive.add(slots={"parameters": False})
    assert archive.links(changed="parameters") == [four, three, two]
    assert archive.links(changed="parameters.temperature") == [three]
    assert one not in archive.links(changed="parameters.seed")


def test_changed_output(archive: Archive) -> None:
    """`changed` may ask for the output."""
    archive.ask("same?", "yes")
    archive.ask("same?", "yes")
    last = archive.ask("same?", "no")
    assert archive.links(changed="output") == [last]


def test_changed_across_a_merge(archive: Archive) -> None:
    """After a merge, the execution before is the one that the merge's first parent was."""
    one, other = archive.add("a"), archive.add("b", slots={"prompt": "b"})
    merge = archive.merge(one, other)
    first = sorted((one, other), key=lambda link: link.id)[0]
    same = "You are terse." if first == one else "b"
    archive.add(slots={"prompt": same})
    changed = archive.add(slots={"prompt": "new"})
    assert archive.links("main", changed="prompt") == [changed]
    assert merge in archive.links("main")


def test_limit(archive: Archive) -> None:
    """A limit ends the log, after the filters."""
    links = [archive.ask(f"question {number}", status="ok" if number % 2 else "error") for number in range(10)]
    assert archive.links(limit=3) == links[:-4:-1]
    assert archive.links(status="error", limit=2) == [links[8], links[6]]
    assert archive.links(limit=0) == []


# --- what it reads ----------------------------------------------------------------------------------------------------------------


class Counting:
    """A reader that counts the executions that are read."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.read = 0

    def get(self, id: bytes) -> Any:
        obj = self._reader.get(id)
        self.read += obj.kind == Kind.EXECUTION
        return obj

    def find(self, id: bytes) -> Any:
        found = self._reader.find(id)
        self.read += found is not None and found[1].kind == Kind.EXECUTION
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def reads(archive: Archive, count: int, wanted: Filter) -> int:
    """Return how many executions are read for the first `count` entries of all refs."""
    with archive.read() as reader:
        counting: Any = Counting(reader)
        begin, _ = tips(counting, now=archive.now)
        entries = walk(counting, begin, wanted)
        for _ in range(count):
            next(entries, None)
        return int(counting.read)


def test_one_ref_is_read_as_far_as_asked(archive: Archive) -> None:
    """The first entries of a log of one ref read no more executions than they show."""
    for number in range(50):
        archive.ask(f"question {number}")
    assert reads(archive, 5, Filter()) == 5


def test_several_refs_are_read_a_bounded_way_ahead(archive: Archive) -> None:
    """The first entries of several refs read at most AHEAD executions more, and the tips."""
    items = [({"prompt": f"{number}"}, {"ref": f"ref{number % 2}"}) for number in range(3 * AHEAD)]
    archive.repo.add_many(items)
    assert reads(archive, 5, Filter()) <= AHEAD + 10


def test_a_range_near_the_tip_reads_little(archive: Archive) -> None:
    """`a..b` near the end of a long log does not walk the past of `a`."""
    links = [archive.ask(f"question {number}") for number in range(100)]
    with archive.read() as reader:
        counting: Any = Counting(reader)
        begin, hidden = tips(counting, ["main~3..main"], now=archive.now)
        assert [entry.link for entry in walk(counting, begin, hidden=hidden)] == links[:96:-1]
        assert counting.read < 20


@pytest.mark.parametrize("wanted", [Filter(session="s"), Filter(scope="a/b"), Filter(since=BEGIN + 95 * SECOND)])
def test_the_walk_ends_when_nothing_more_can_come(archive: Archive, wanted: Filter) -> None:
    """Once the index says that all were seen, older executions are not read."""
    for number in range(100):
        archive.ask(f"question {number}", started=BEGIN + number * SECOND, notes={"session": "s", "scope": "a/b"} if number >= 95 else None)
    assert reads(archive, 100, wanted) == 5


# --- the order against a plain definition -----------------------------------------------------------------------------------------


def number_is_even(link: Link) -> bool:
    """True for every other execution of a random graph."""
    return link.id[0] % 2 == 0


def random_graph(seed: int) -> dict[Link, Execution]:
    """Return executions with random parents among the earlier ones and random times."""
    source = random.Random(seed)
    made: dict[Link, Execution] = {}
    for number in range(source.randrange(1, 40)):
        earlier = list(made)
        parents = tuple(source.sample(earlier, min(len(earlier), source.choice([0, 1, 1, 1, 2, 3]))))
        started = source.choice([None, *range(5)])
        made[Link(Kind.EXECUTION, bytes([number]) * 32)] = Execution(run=Link(Kind.TREE, bytes(32)), parents=parents, started=started)
    return made


def plainly_ordered(graph: dict[Link, Execution], begin: list[Link]) -> Iterator[Link]:
    """Yield what `begin` reaches: always the greatest (started, recorded) of those whose children all were told."""
    reached: set[Link] = set()
    waiting = list(begin)
    while waiting:
        link = waiting.pop()
        if link not in reached:
            reached.add(link)
            waiting.extend(graph[link].parents)
    while reached:
        free = [link for link in reached if not any(link in graph[child].parents for child in reached)]
        started = {link: graph[link].started for link in free}
        best = max(free, key=lambda link: (-1 if started[link] is None else started[link], link.id))
        reached.remove(best)
        yield best


@pytest.mark.parametrize("seed", range(200))
def test_order_of_any_graph(seed: int) -> None:
    """Whatever the parents and the times, the order is the one that the definition gives."""
    graph = random_graph(seed)
    source = random.Random(seed)
    begin = source.sample(list(graph), source.randrange(1, min(4, len(graph)) + 1))
    order = Order(graph.__getitem__, lambda link: link.id[0])
    found: list[Entry] = list(order.entries([Tip(link) for link in begin], set()))
    assert [entry.link for entry in found] == list(plainly_ordered(graph, begin))


def generations(graph: dict[Link, Execution]) -> dict[Link, int]:
    """Return how far each execution is from the beginning."""
    found: dict[Link, int] = {}
    for link, execution in graph.items():
        found[link] = 1 + max((found[parent] for parent in execution.parents), default=0)
    return found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(150))
def test_between_leaves_out_exactly_the_past(seed: int, known: bool) -> None:
    """A walk that stops where `between` says meets all that is reached, but for what the hidden ones reach; generations or none."""
    graph = random_graph(seed)
    source = random.Random(seed)
    begin, hidden = ([source.choice(list(graph)) for _ in range(source.randrange(1, 3))] for _ in range(2))
    numbers = generations(graph)
    stop = between(graph.__getitem__, lambda link: numbers[link] if known or number_is_even(link) else None, begin, hidden)
    order = Order(graph.__getitem__, lambda link: link.id[0])
    found = {entry.link for entry in order.entries([Tip(link) for link in begin], stop)}
    assert found == set(plainly_ordered(graph, begin)) - set(plainly_ordered(graph, hidden))


def test_a_long_line_is_read_by_the_segment(tmp_path: Path) -> None:
    """Where executions lie side by side, few of them are looked up one by one, and all are told in their order."""
    with runstore.open(tmp_path / "runs", create=True) as repo:
        items = [({"prompt": f"{number}"}, {"ref": f"ref{number % 2}", "started": BEGIN + number}) for number in range(400)]
        expected = [recorded.execution for recorded in repo.add_many(items)][::-1]
        with repo.read() as reader:
            counting: Any = Counting(reader)
            assert [entry.link for entry in walk(counting, tips(counting, now=BEGIN)[0])] == expected
    assert counting.read < 40
